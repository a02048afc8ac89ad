"""The map page and its static files."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse

STATIC: Final = Path(__file__).parent.parent / "static"

router = APIRouter(include_in_schema=False)


@router.get("/")
@router.get("/maps/{survey}")
def read_page() -> FileResponse:
    """One page for every survey, and for none: its script reads the address."""
    return FileResponse(STATIC / "index.html", media_type="text/html")
