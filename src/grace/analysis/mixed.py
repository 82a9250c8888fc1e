"""A mixed-effects logistic regression of yes and no on two factors, with random intercepts, also under separation.

The model is Bayesian, fitted by variational Bayes: that of statsmodels' BinomialBayesMixedGLM. Yoon et al. (2020)
analysed negation with a Bayesian mixed-effects logistic regression too. That approximation takes the coefficients for
independent, which finds effects in noise where conditions are near 0 or 1. So only its means are used. The
coefficients' covariance is that of the posterior's curvature there (Laplace's approximation), with all coefficients and
intercepts in it. A factor's test is Wald's: with its coefficients b and their covariance V it is b' V^-1 b, against
chi-squared.

Under complete separation (a condition in which nobody, or everybody, says yes) the likelihood has no maximum: it grows
without end as a coefficient does. Then the prior decides how large the coefficient is. The wide prior is replaced by a
weakly informative one (Gelman, Jakulin, Pittau & Su 2008, Annals of Applied Statistics 2, 1360-1383), and the test says
so. Separation is found by linear programming (Konis 2007).

Rows of one stimulus, as replications are, are not independent. Chi-squared is divided by their design effect, n over
n_effective (first-order correction of Rao & Scott 1984, Annals of Statistics 12, 46-60). A random intercept for each
stimulus would not do: the approximation takes it for independent of the conditions, and finds effects in noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from grace.analysis.names import MIXED, Factors, TestName
from grace.analysis.statistics import Tested

if TYPE_CHECKING:
    from numpy import float64, intp
    from numpy.typing import NDArray

WIDE, INFORMATIVE = 10.0, 2.5
"""Standard deviations of the coefficients' normal prior: without separation, and under it."""
FIT = {"maxcor": 50, "maxiter": 2000, "maxfun": 10_000, "ftol": 1e-14, "gtol": 1e-7}
"""Until no step gains anything. To remember 50 steps takes half the steps, and no matrix of all coefficients."""

WORTH_SAYING = 1.01
"""A design effect above this is mentioned."""

SEPARATED = (
    "complete separation: the likelihood has no maximum, so the coefficients' prior (normal, sd "
    f"{INFORMATIVE:g}, for {WIDE:g}) bears on this test, which is cautious"
)


@dataclass(frozen=True)
class BinaryAnswer:
    """One answer.

    Attributes:
        yes: 1 or 0.
        levels: of the factors, in the order of their names.
        groups: of the random intercepts by name, as {"participant": "7", "item": "cake"}.
    """

    yes: int
    levels: tuple[str, str]
    groups: Mapping[str, str]


def mixed_tests(names: tuple[str, str], outcomes: Sequence[BinaryAnswer], n_effective: float | None) -> list[Tested]:
    """Tests of two factors (in the model without interaction) and of their interaction (in the model with it).

    Args:
        names: the factors'.
        outcomes: one for each row, all with the same groups.
        n_effective: of the rows; None where it is not known, and then they are taken for independent.
    """
    effects = (*(Factors((name,)) for name in names), Factors(names))
    tests = [Tested(TestName(MIXED, of), n=len(outcomes), n_effective=n_effective) for of in effects]
    if len({outcome.yes for outcome in outcomes}) < 2:
        why = "all answers are equal, so nothing can depend on anything" if outcomes else "no rows"
        return [replace(test, note=why) for test in tests]
    additive, full = _design(outcomes, interaction=False), _design(outcomes, interaction=True)
    models = [(additive, _fit(additive, outcomes))] * 2 + [(full, _fit(full, outcomes))]
    return [_test(test, term, *model) for term, (test, model) in enumerate(zip(tests, models, strict=True))]


@dataclass(frozen=True)
class _Design:
    """Columns of contrasts, the constant first, and which of them belong to which factor."""

    columns: "NDArray[float64]"
    terms: tuple[tuple[int, ...], ...]
    complete: bool


@dataclass(frozen=True)
class _Fitted:
    """The coefficients' means and covariance, and what is to be said of the fit."""

    means: "NDArray[float64]"
    covariance: "NDArray[float64]"
    note: str


def _design(outcomes: Sequence[BinaryAnswer], interaction: bool) -> _Design:
    import numpy as np

    one, other = (_contrasts([outcome.levels[place] for outcome in outcomes]) for place in (0, 1))
    both = (one[:, :, None] * other[:, None, :]).reshape(len(outcomes), -1)
    parts = [one, other, both] if interaction else [one, other]
    ends = 1 + np.cumsum([0, *(part.shape[1] for part in parts)])
    terms = tuple(tuple(range(start, end)) for start, end in pairwise(ends))
    columns = np.hstack([np.ones((len(outcomes), 1)), *parts])
    return _Design(columns, terms, int(np.linalg.matrix_rank(columns)) == columns.shape[1])


def _contrasts(levels: Sequence[str]) -> "NDArray[float64]":
    """Helmert contrasts, each scaled to a mean square of 1 over the levels."""
    import numpy as np
    from scipy.linalg import helmert

    names = sorted(set(levels))
    table = helmert(len(names)).T * np.sqrt(len(names)) if len(names) > 1 else np.empty((1, 0))
    return np.asarray(table[[names.index(level) for level in levels]])


def _fit(design: _Design, outcomes: Sequence[BinaryAnswer]) -> _Fitted:
    """Fit the model, with the prior that separation asks for."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.sparse import csr_array
    from scipy.special import expit

    yes = np.array([outcome.yes for outcome in outcomes], dtype=float)
    prior = INFORMATIVE if (separated := separable(design.columns, yes)) else WIDE
    groups = _random(outcomes)
    kinds = np.array([kind for kind, places in enumerate(groups.values()) for _ in set(places)], dtype=int)
    columns = np.hstack([design.columns, *(np.eye(max(places) + 1)[list(places)] for places in groups.values())])
    coefficients, n = columns.shape[1], columns.shape[1] + len(groups)
    model = csr_array(columns), csr_array(columns**2), yes, kinds, prior
    fitted = minimize(evidence_bound, np.repeat([0.0, -0.5], n), model, "L-BFGS-B", jac=True, options=FIT)
    means, sds_of_groups = fitted.x[:coefficients], np.exp(fitted.x[coefficients:n])
    intercepts = ", ".join(f"{name} (sd {sd:.2g})" for name, sd in zip(groups, sds_of_groups, strict=True))
    notes = [f"random intercepts: {intercepts}" if groups else "no random intercepts: no group has several rows"]
    notes += [SEPARATED] if separated else []
    notes += [] if fitted.success else ["the fit did not converge"]
    fixed, logits = design.columns.shape[1], columns @ means
    sds = np.concatenate([np.full(fixed, prior), sds_of_groups[kinds]])  # of the normal priors
    curvature = (columns * (expit(logits) * expit(-logits))[:, None]).T @ columns + np.diag(sds**-2.0)
    return _Fitted(means[:fixed], np.linalg.inv(curvature)[:fixed, :fixed], "; ".join(notes))


@cache
def _quadrature() -> "tuple[NDArray[float64], NDArray[float64]]":
    """Places and weights of the mean over a standard normal distribution: Gauss-Legendre from -5 to 5."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(10)
    return 5 * nodes, 5 * weights * np.exp(-((5 * nodes) ** 2) / 2) / np.sqrt(2 * np.pi)


def evidence_bound(
    x: "NDArray[float64]", columns: Any, squared: Any, yes: "NDArray[float64]", kinds: "NDArray[intp]", prior: float
) -> "tuple[float, NDArray[float64]]":
    """The evidence lower bound of a normal posterior whose parameters are independent, and its gradient, both negated.

    Args:
        x: the parameters' means, then the logarithms of their standard deviations. The parameters are the coefficients,
            and the logarithms of the random intercepts' standard deviations (prior: standard normal).
        columns: sparse, shape (rows, coefficients), the random intercepts last.
        squared: the same, each number squared.
        yes: 1 or 0, shape (rows).
        kinds: the group that a random intercept is of, shape (random intercepts).
        prior: standard deviation of the other coefficients.
    """
    import numpy as np

    means, logs = np.split(x, 2)
    (b, v), (sd_b, sd_v) = (np.split(own, [columns.shape[1]]) for own in (means, np.exp(logs)))
    nodes, weights = _quadrature()
    logits, spread = columns @ b, np.sqrt(squared @ sd_b**2)
    at_nodes = logits[:, None] + spread[:, None] * nodes
    less = np.exp(-np.abs(at_nodes))
    p = np.where(at_nodes > 0, 1.0, less) / (1 + less)
    likelihood = yes @ logits - ((np.maximum(at_nodes, 0) + np.log1p(less)) @ weights).sum()
    fixed = len(b) - len(kinds)
    precision = np.concatenate([np.full(fixed, prior**-2.0), np.exp(2 * (sd_v**2 - v))[kinds]])
    sizes = precision * (b**2 + sd_b**2)
    of_kinds = np.bincount(kinds, sizes[fixed:], len(v))
    value = likelihood - sizes.sum() / 2 - v[kinds].sum() - (v**2 + sd_v**2).sum() / 2 + logs.sum()
    gradient = [
        columns.T @ (yes - p @ weights) - precision * b,
        of_kinds - np.bincount(kinds, minlength=len(v)) - v,
        1 - sd_b**2 * (squared.T @ (p @ (weights * nodes) / spread) + precision),
        1 - sd_v**2 * (2 * of_kinds + 1),
    ]
    return -value, -np.concatenate(gradient)


def _random(outcomes: Sequence[BinaryAnswer]) -> dict[str, tuple[int, ...]]:
    """The groups that can have intercepts by name (several, some with several rows, no two the same): the rows'."""
    groups: dict[tuple[int, ...], str] = {}
    for name in outcomes[0].groups:
        levels = [outcome.groups[name] for outcome in outcomes]
        places = {level: place for place, level in enumerate(dict.fromkeys(levels))}
        if 1 < len(places) < len(levels):
            groups.setdefault(tuple(places[level] for level in levels), name)
    return {name: places for places, name in groups.items()}


def separable(columns: "NDArray[float64]", yes: "NDArray[float64]") -> bool:
    """Whether some direction of coefficients never lowers the likelihood of any row, and raises that of one.

    `columns` are fixed effects, shape (rows, coefficients); `yes` is 1 or 0, shape (rows).
    """
    import numpy as np
    from scipy.optimize import linprog

    signed = np.unique(columns * np.where(yes > 0, 1.0, -1.0)[:, None], axis=0)
    best = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1), method="highs")
    return bool(best.success and -best.fun > 1e-7)


def _test(test: Tested, term: int, design: _Design, fitted: _Fitted) -> Tested:
    import numpy as np
    from scipy import stats

    places = list(design.terms[term])
    if not places:
        return replace(test, note="a factor has one level only")
    if not design.complete:
        return replace(test, note="cannot be estimated: conditions are empty")
    design_effect = max(test.n / test.n_effective, 1.0) if test.n_effective else 1.0
    b = fitted.means[places]
    chi2 = float(b @ np.linalg.solve(fitted.covariance[np.ix_(places, places)], b)) / design_effect
    p = float(stats.chi2.sf(chi2, len(places)))
    clusters = f"; divided by the design effect of stimuli, {design_effect:.3g}" if design_effect > WORTH_SAYING else ""
    return replace(test, statistic=chi2, df1=len(places), p=p, note=fitted.note + clusters)
