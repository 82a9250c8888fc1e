"""A mixed-effects logistic regression of yes and no on factors, with random intercepts, also under separation.

The model is Bayesian, fitted by variational Bayes: that of statsmodels' BinomialBayesMixedGLM, but with the quadrature
of Gauss and Hermite, since that package's loses a thousandth of all probability. Yoon et al. (2020) analysed negation
with a Bayesian mixed-effects logistic regression too. That approximation takes the coefficients for
independent, which finds effects in noise where conditions are near 0 or 1. So only its means are used. The
coefficients' covariance is that of the posterior's curvature there (Laplace's approximation), with all coefficients and
intercepts in it. A factor's test is Wald's: with its coefficients b and their covariance V it is b' V^-1 b, against
chi-squared. Beside it stands the likelihood ratio, penalised by the prior: twice the logarithm by which the likelihood,
with random effects integrated out after Laplace, falls when the factor's coefficients are 0. The standard deviations of
random effects are those of the fit in both. Wald's test has no power where coefficients are large, as under separation
(Hauck & Donner 1977, Journal of the American Statistical Association 72, 851-853); the ratio keeps it.

The authors' own parametrisation is the third: hearts as a number, hearts by goal, and random slopes of all terms for
participants and items, here independent of each other.

Under complete separation (a condition in which nobody, or everybody, says yes) the likelihood has no maximum: it grows
without end as a coefficient does. Then the prior decides how large the coefficient is. The wide prior is replaced by a
weakly informative one (Gelman, Jakulin, Pittau & Su 2008, Annals of Applied Statistics 2, 1360-1383), and the test says
so. Separation is found by linear programming (Konis 2007).

Rows of one stimulus, as replications are, are not independent. Chi-squared is divided by their design effect
(first-order correction of Rao & Scott 1984, Annals of Statistics 12, 46-60): how much less the residuals are worth than
so many independent ones (`statistics.effective`), since what items and participants share is in the model already. A
random intercept for each stimulus would not do: the approximation takes it for independent of the conditions, and finds
effects in noise.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from grace.analysis.names import AUTHORS, MIXED, Factors, TestName
from grace.analysis.statistics import Numbers, Tested, effective, never_0

if TYPE_CHECKING:
    from numpy import float64, intp
    from numpy.typing import NDArray

WIDE, INFORMATIVE = 10.0, 2.5
"""Standard deviations of the coefficients' normal prior: without separation, and under it."""
FIT = {"maxcor": 50, "maxiter": 2000, "maxfun": 10_000, "ftol": 1e-14, "gtol": 1e-7}
"""Until no step gains anything. To remember 50 steps takes half the steps, and no matrix of all coefficients."""

STEPS, TINY = 50, 1e-9
"""Newton's method ends when a step gains no more than this."""

MOST_ANSWERS = 20_000
"""Answers in a model of any factors; with more, a fit would take minutes."""

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
        stimulus, text: what it is about, and how that was worded, within its condition; None where that is not known.
    """

    yes: int
    levels: tuple[str, ...]
    groups: Mapping[str, str]
    stimulus: str | None = None
    text: str | None = None


def worth_of(outcomes: Sequence[BinaryAnswer], values: Iterable[float] | None = None) -> float | None:
    """How many independent answers these are worth; None where it is not known which of them show the same.

    With `values`, one for each answer, it is how many independent ones these are worth.
    """
    if not outcomes or any(outcome.stimulus is None for outcome in outcomes):
        return None
    numbers = [float(outcome.yes) for outcome in outcomes] if values is None else list(values)
    places: dict[tuple[str, ...], list[int]] = {}
    for place, outcome in enumerate(outcomes):
        places.setdefault(outcome.levels, []).append(place)
    with_texts = all(outcome.text is not None for outcome in outcomes)
    cells = {
        ", ".join(cell): Numbers(
            [numbers[place] for place in own],
            [outcomes[place].stimulus or "" for place in own],
            [outcomes[place].text or "" for place in own] if with_texts else None,
        )
        for cell, own in places.items()
    }
    return effective(cells)


def mixed_tests(
    names: tuple[str, str], outcomes: Sequence[BinaryAnswer], kinds: Sequence[str] = (MIXED,)
) -> list[Tested]:
    """Tests of two factors (in the model without interaction) and of their interaction (in the model with it).

    Args:
        names: the factors'.
        outcomes: one for each row, all with the same groups.
        kinds: which tests: MIXED is Wald's, LIKELIHOOD the likelihood ratio's in the same models, AUTHORS that in
            models with the second factor as a number and random slopes of all terms.
    """
    effects = (*(Factors((name,)) for name in names), Factors(names))

    @cache
    def fits(of_authors: bool) -> list[_Fitted]:
        """The models without and with the interaction; Wald's test and the ratio have the same."""
        return [_fit(_design(outcomes, both, of_authors), outcomes, of_authors) for both in (False, True)]

    made, worth = [], worth_of(outcomes)
    for kind in kinds:
        tests = [Tested(TestName(kind, of), n=len(outcomes), n_effective=worth) for of in effects]
        if len({outcome.yes for outcome in outcomes}) < 2:
            why = "all answers are equal, so nothing can depend on anything" if outcomes else "no rows"
            made += [replace(test, note=why) for test in tests]
            continue
        additive, whole = fits(kind == AUTHORS)
        of_fits = (additive, additive, whole)
        made += [_test(test, place, fitted) for place, (test, fitted) in enumerate(zip(tests, of_fits, strict=True))]
    return made


def term_tests(
    tests: Sequence[Tested], terms: Sequence[Sequence[int]], outcomes: Sequence[BinaryAnswer]
) -> list[Tested]:
    """Tests of the terms of one model that has all of them, by the penalised likelihood ratio.

    Args:
        tests: one for each term, without results.
        terms: the places of a term's factors in the levels; several are an interaction.
        outcomes: one for each row, all with the same groups.
    """
    import numpy as np

    why = ""
    if len({outcome.yes for outcome in outcomes}) < 2:
        why = "all answers are equal, so nothing can depend on anything"
    elif len(outcomes) > MOST_ANSWERS:
        why = f"more than {MOST_ANSWERS:,} answers, which is too many for this model"
    if why:
        return [replace(test, note=why) for test in tests]
    columns, places = columns_of([outcome.levels for outcome in outcomes], terms)
    complete = int(np.linalg.matrix_rank(columns)) == columns.shape[1]
    if not complete:
        return [replace(test, note="cannot be estimated: conditions are empty") for test in tests]
    fitted = _fit(_Design(columns, tuple(map(tuple, places)), complete), outcomes, slopes=False)
    return [_test(test, place, fitted) for place, test in enumerate(tests)]


def columns_of(
    levels: Sequence[Sequence[str]], terms: Sequence[Sequence[int]]
) -> "tuple[NDArray[float64], list[list[int]]]":
    """Columns of contrasts, shape (rows, columns), the constant first; and the places of each term's own."""
    import numpy as np

    coded = [contrasts_of([row[place] for row in levels]) for place in range(len(levels[0]))]
    columns, places = [np.ones((len(levels), 1))], []
    for term in terms:
        block = np.ones((len(levels), 1))
        for place in term:
            block = (block[:, :, None] * coded[place][:, None, :]).reshape(len(levels), -1)
        start = sum(own.shape[1] for own in columns)
        places.append(list(range(start, start + block.shape[1])))
        columns.append(block)
    return np.hstack(columns), places


@dataclass(frozen=True)
class _Design:
    """Columns of contrasts, the constant first, and which of them belong to which factor."""

    columns: "NDArray[float64]"
    terms: tuple[tuple[int, ...], ...]
    complete: bool


@dataclass(frozen=True)
class _Fitted:
    """A fitted model.

    Attributes:
        design: the fixed effects.
        columns: theirs and those of random effects, sparse, shape (rows, coefficients).
        yes: 1 or 0, shape (rows).
        means: of the coefficients.
        sds: of their normal priors; those of random effects were fitted.
        note: what is to be said of the fit.
        design_effect: how much less the rows are worth than the model says, since rows of a stimulus are alike.
    """

    design: _Design
    columns: Any
    yes: "NDArray[float64]"
    means: "NDArray[float64]"
    sds: "NDArray[float64]"
    note: str
    design_effect: float


def _design(outcomes: Sequence[BinaryAnswer], interaction: bool, number: bool) -> _Design:
    """The fixed effects; `number` is whether the second factor is one, and not a contrast for each level."""
    import numpy as np

    one, other = (contrasts_of([outcome.levels[place] for outcome in outcomes]) for place in (0, 1))
    if number and other.shape[1]:
        values = np.array([float(outcome.levels[1]) for outcome in outcomes])
        levels = np.unique(values)
        other = ((values - levels.mean()) / levels.std())[:, None]
    both = (one[:, :, None] * other[:, None, :]).reshape(len(outcomes), -1)
    parts = [one, other, both] if interaction else [one, other]
    ends = 1 + np.cumsum([0, *(part.shape[1] for part in parts)])
    terms = tuple(tuple(range(start, end)) for start, end in pairwise(ends))
    columns = np.hstack([np.ones((len(outcomes), 1)), *parts])
    return _Design(columns, terms, int(np.linalg.matrix_rank(columns)) == columns.shape[1])


def contrasts_of(levels: Sequence[str]) -> "NDArray[float64]":
    """Helmert contrasts, each scaled to a mean square of 1 over the levels."""
    import numpy as np
    from scipy.linalg import helmert

    names = sorted(set(levels))
    table = helmert(len(names)).T * np.sqrt(len(names)) if len(names) > 1 else np.empty((1, 0))
    return np.asarray(table[[names.index(level) for level in levels]])


def _fit(design: _Design, outcomes: Sequence[BinaryAnswer], slopes: bool) -> _Fitted:
    """Fit the model, with the prior that separation asks for; with `slopes`, all terms vary in each group."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.sparse import csr_array
    from scipy.special import expit

    yes = np.array([outcome.yes for outcome in outcomes], dtype=float)
    prior = INFORMATIVE if (separated := separable(design.columns, yes)) else WIDE
    groups = _random(outcomes)
    varying = design.columns if slopes else design.columns[:, :1]
    columns, kinds = [design.columns], list[int]()
    for places in groups.values():
        of_level = np.eye(max(places) + 1)[list(places)]
        for term in varying.T:
            kinds += [len(columns) - 1] * of_level.shape[1]
            columns.append(of_level * term[:, None])
    everything = np.hstack(columns)
    coefficients, n = everything.shape[1], everything.shape[1] + len(columns) - 1
    sparse = csr_array(everything)
    model = sparse, csr_array(everything**2), yes, np.array(kinds, dtype=int), prior
    fitted = minimize(evidence_bound, np.repeat([0.0, -0.5], n), model, "L-BFGS-B", jac=True, options=FIT)
    sds_of_groups = np.exp(fitted.x[coefficients:n])
    per_group = sds_of_groups.reshape(len(groups), varying.shape[1])
    of_groups = ", ".join(
        f"{name} (sd {' '.join(f'{sd:.2g}' for sd in own)})" for name, own in zip(groups, per_group, strict=True)
    )
    effects = "random intercepts and slopes" if slopes else "random intercepts"
    notes = [f"{effects}: {of_groups}" if groups else "no random intercepts: no group has several rows"]
    notes += [SEPARATED] if separated else []
    notes += [] if fitted.success else ["the fit did not converge"]
    sds = np.concatenate([np.full(design.columns.shape[1], prior), sds_of_groups[kinds]])
    means = fitted.x[:coefficients]
    clusters = _design_effect(outcomes, (yes - expit(sparse @ means)).tolist())
    notes += [f"divided by the design effect of stimuli, {clusters:.3g}"] if clusters > WORTH_SAYING else []
    return _Fitted(design, sparse, yes, means, sds, "; ".join(notes), clusters)


def _design_effect(outcomes: Sequence[BinaryAnswer], residuals: Iterable[float]) -> float:
    """How many rows are worth one, since those of a stimulus are more alike than the model says; 1 if none is known.

    Where no stimulus has two different answers, as at temperature 0, its rows are copies, whatever is left of them.
    """
    answers = {(outcome.levels, outcome.stimulus, outcome.yes) for outcome in outcomes}
    copies = len(answers) == len({answer[:2] for answer in answers})
    worth = worth_of(outcomes, None if copies else residuals)
    return max(len(outcomes) / worth, 1.0) if worth else 1.0


@cache
def _quadrature() -> "tuple[NDArray[float64], NDArray[float64]]":
    """Places and weights of the mean over a standard normal distribution, after Gauss and Hermite.

    The weights sum to 1: were they but a little less, the likelihood of answers that are told apart completely would
    grow without end as the coefficients do.
    """
    import numpy as np

    nodes, weights = np.polynomial.hermite_e.hermegauss(10)
    return nodes, weights / weights.sum()


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


def _curvature(columns: Any, logits: "NDArray[float64]", sds: "NDArray[float64]") -> "NDArray[float64]":
    """The posterior's curvature, shape (coefficients, coefficients).

    `columns` have the shape (rows, coefficients), fitted `logits` (rows), `sds` of the normal priors (coefficients).
    """
    import numpy as np
    from scipy.special import expit

    weights = expit(logits) * expit(-logits)
    return np.asarray((columns.T @ columns.multiply(weights[:, None]).tocsr()).toarray() + np.diag(sds**-2.0))


def _wald(fitted: _Fitted, places: Sequence[int]) -> float:
    """b' V^-1 b of some coefficients."""
    import numpy as np

    covariance = np.linalg.inv(_curvature(fitted.columns, fitted.columns @ fitted.means, fitted.sds))
    b = fitted.means[places]
    return float(b @ np.linalg.solve(covariance[np.ix_(places, places)], b))


def _ratio(fitted: _Fitted, places: Sequence[int]) -> float:
    """Twice the logarithm by which the penalised likelihood falls without some coefficients, never negative."""
    import numpy as np

    kept = np.setdiff1d(np.arange(len(fitted.means)), places)
    fixed = fitted.design.columns.shape[1]
    whole = _evidence(fitted.columns, fitted.yes, fitted.means, fitted.sds, fixed)
    rest = _evidence(fitted.columns[:, kept], fitted.yes, fitted.means[kept], fitted.sds[kept], fixed - len(places))
    return max(2 * (whole - rest), 0.0)


def _evidence(
    columns: Any, yes: "NDArray[float64]", start: "NDArray[float64]", sds: "NDArray[float64]", fixed: int
) -> float:
    """The largest penalised log likelihood with random effects integrated out after Laplace, by Newton's method."""
    import numpy as np
    from scipy.special import expit

    def height(b: "NDArray[float64]") -> float:
        logits = columns @ b
        return float(yes @ logits - np.logaddexp(0, logits).sum() - ((b / sds) ** 2).sum() / 2)

    b, top = start, height(start)
    for _ in range(STEPS):
        logits = columns @ b
        curvature = _curvature(columns, logits, sds)
        step = np.linalg.solve(curvature, columns.T @ (yes - expit(logits)) - b / sds**2)
        while (reached := height(b + step)) < top - TINY:
            step /= 2
        b, gained, top = b + step, reached - top, reached
        if gained < TINY:
            break
    random = _curvature(columns, columns @ b, sds)[fixed:, fixed:]
    return top - float(np.linalg.slogdet(random)[1]) / 2


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


def _test(test: Tested, factor: int, fitted: _Fitted) -> Tested:
    from scipy import stats

    places = list(fitted.design.terms[factor])
    if not places:
        return replace(test, note="a factor has one level only")
    if not fitted.design.complete:
        return replace(test, note="cannot be estimated: conditions are empty")
    chi2 = (_wald if test.name.kind == MIXED else _ratio)(fitted, places) / fitted.design_effect
    p = never_0(stats.chi2.sf(chi2, len(places)))
    return replace(test, statistic=chi2, df1=len(places), p=p, note=fitted.note)
