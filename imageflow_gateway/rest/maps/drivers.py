"""Game drivers, and what a request may ask of each."""

from fastapi import APIRouter

from imageflow_gateway.rest.maps.games_schema import DriverFacts, DriverList
from imageflow_surveys.drivers import list_drivers

router = APIRouter(prefix="/api/v1/drivers", tags=["games"])


@router.get("", summary="List drivers")
def read_drivers() -> DriverList:
    """Each with the JSON Schema of its parameters; a form may offer those that are settable."""
    return DriverList(
        drivers=[
            DriverFacts(
                name=name,
                parameters=driver.parameters,
                settable=sorted(driver.settable),
                moves_freely=driver.moves_freely,
            )
            for name, driver in list_drivers().items()
        ]
    )
