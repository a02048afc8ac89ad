"""Game drivers, and what a request may ask of each."""

from fastapi import APIRouter

from game_capture.registry import DRIVERS, describe_driver
from imageflow_gateway.schemas.games import DriverFacts, DriverList

router = APIRouter(prefix="/api/v1/drivers", tags=["games"])


@router.get("", summary="List drivers")
def read_drivers() -> DriverList:
    """Each with the JSON Schema of its parameters; a form may offer those that are settable."""
    facts = {name: describe_driver(name) for name in sorted(DRIVERS)}
    return DriverList(
        drivers=[
            DriverFacts(
                name=name,
                parameters=driver.parameters,
                settable=sorted(driver.settable),
                moves_freely=driver.moves_freely,
            )
            for name, driver in facts.items()
        ]
    )
