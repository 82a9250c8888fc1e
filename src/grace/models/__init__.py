"""Models: which there are, where their files come from, and with which options they are served."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.models.catalogue import hub_model, hub_models
    from grace.models.plan import MemoryPlan, plan_model
    from grace.models.serving import ServingOptions

__all__ = ["MemoryPlan", "ServingOptions", "hub_model", "hub_models", "plan_model"]

__getattr__ = exported(
    __name__,
    MemoryPlan="plan",
    plan_model="plan",
    hub_model="catalogue",
    hub_models="catalogue",
    ServingOptions="serving",
)
