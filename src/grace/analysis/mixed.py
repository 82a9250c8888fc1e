"""A mixed-effects logistic regression of yes and no on two factors, with random intercepts, also under separation.

The model is Bayesian: statsmodels' BinomialBayesMixedGLM, fitted by variational Bayes. Yoon et al. (2020) analysed
negation with a Bayesian mixed-effects logistic regression too. That approximation takes the coefficients for
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

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp
from typing import TYPE_CHECKING, Any

from grace.analysis.names import MIXED, Factors, TestName
from grace.analysis.statistics import Tested

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

WIDE, INFORMATIVE = 10.0, 2.5
"""Standard deviations of the coefficients' normal prior: without separation, and under it."""
FIT = {"maxiter": 2000, "maxfun": 10_000, "ftol": 1e-14, "gtol": 1e-7}
"""Until no step gains anything; this method keeps no matrix of all coefficients, unlike the package's usual one."""

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
    places = [(additive, 0), (additive, 1), (full, 2)]
    fits = {id(design): _fit(design, outcomes) for design in (additive, full)}
    return [_test(test, design, factor, fits[id(design)]) for test, (design, factor) in zip(tests, places, strict=True)]


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
    from scipy.sparse import csr_matrix
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    yes = np.array([outcome.yes for outcome in outcomes], dtype=float)
    separated = separable(design.columns, yes)
    names = _random(outcomes)
    places: list[tuple[int, int]] = []
    kinds: list[int] = []
    for kind, name in enumerate(names):
        levels = [outcome.groups[name] for outcome in outcomes]
        order = {level: len(kinds) + place for place, level in enumerate(dict.fromkeys(levels))}
        places += list(enumerate(order[level] for level in levels))
        kinds += [kind] * len(order)
    rows, columns = zip(*places, strict=True) if places else ((), ())
    shape = (len(yes), max(len(kinds), 1))  # the package wants one column at least
    random = csr_matrix((np.ones(len(places)), (rows, columns)), shape=shape)
    prior = INFORMATIVE if separated else WIDE
    model = BinomialBayesMixedGLM(yes, design.columns, random, np.array(kinds or [0]), vcp_p=1.0, fe_p=prior)
    start = np.full(model.k_fep + model.k_vcp + model.k_vc, exp(-0.5))  # the package's own, without its noise
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted: Any = model.fit_vb(sd=start, fit_method="L-BFGS-B", minim_opts=FIT)
    sds_of_groups = [f"{name} (sd {exp(log):.2g})" for name, log in zip(names, fitted.vcp_mean, strict=False)]
    intercepts = f"random intercepts: {', '.join(sds_of_groups)}"
    notes = [intercepts if names else "no random intercepts: no group has several rows"]
    notes += [SEPARATED] if separated else []
    notes += ["the fit did not converge"] if any("converge" in str(one.message) for one in caught) else []
    everything = np.hstack([design.columns, random.toarray()])
    logits = everything @ np.concatenate([fitted.fe_mean, fitted.vc_mean])
    sds = np.concatenate([np.full(model.k_fep, prior), np.exp(fitted.vcp_mean)[kinds or [0]]])
    return _Fitted(
        np.asarray(fitted.fe_mean), _covariance(everything, logits, sds)[: model.k_fep, : model.k_fep], "; ".join(notes)
    )


def _covariance(columns: "NDArray[float64]", logits: "NDArray[float64]", sds: "NDArray[float64]") -> "NDArray[float64]":
    """The inverse of the posterior's curvature, shape (coefficients, coefficients).

    `columns` have the shape (rows, coefficients), fitted `logits` (rows), `sds` of the normal priors (coefficients).
    """
    import numpy as np
    from scipy.special import expit

    weights = expit(logits) * expit(-logits)
    return np.linalg.inv((columns * weights[:, None]).T @ columns + np.diag(sds**-2.0))


def _random(outcomes: Sequence[BinaryAnswer]) -> list[str]:
    """The groups that can have intercepts: several, some with several rows, and no two that are the same."""
    found: dict[tuple[int, ...], str] = {}
    for name in outcomes[0].groups:
        levels = [outcome.groups[name] for outcome in outcomes]
        places = {level: place for place, level in enumerate(dict.fromkeys(levels))}
        if 1 < len(places) < len(levels):
            found.setdefault(tuple(places[level] for level in levels), name)
    return list(found.values())


def separable(columns: "NDArray[float64]", yes: "NDArray[float64]") -> bool:
    """Whether some direction of coefficients never lowers the likelihood of any row, and raises that of one.

    `columns` are fixed effects, shape (rows, coefficients); `yes` is 1 or 0, shape (rows).
    """
    import numpy as np
    from scipy.optimize import linprog

    signed = np.unique(columns * np.where(yes > 0, 1.0, -1.0)[:, None], axis=0)
    best = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1), method="highs")
    return bool(best.success and -best.fun > 1e-7)


def _test(test: Tested, design: _Design, factor: int, fitted: _Fitted) -> Tested:
    import numpy as np
    from scipy import stats

    places = list(design.terms[factor])
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
