"""The one configuration class: every default that a process of ImageFlow needs, overridden by `IMAGEFLOW_*`.

Its parts are classes of their own, so that what opens one client takes that client's settings and no others.
"""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PositiveFloat,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from imageflow_clients.step_process import KEPT
from imageflow_domain.errors import InvalidInput

EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound

NO_ADDRESS = "none"
"""Of gRPC: clients are not told any."""


def _none_if_empty(value: object) -> object:
    """Return None for a variable that is set to nothing, as compose sets those that are optional."""
    return None if value == "" else value


def _false_if_empty(value: object) -> object:
    return False if value == "" else value


def _parts(value: object) -> object:
    """Return the parts of a variable that holds several values; other values as they are."""
    return value.split() if isinstance(value, str) else value


class HomeSettings(BaseModel):
    """Where everything durable of the one-machine stack lies."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    home: Path = Path(".imageflow")
    """Holds the embedded database, the folder of objects and logs."""

    @property
    def home_path(self) -> Path:
        """`home`, absolute, so that a child process with another working directory means the same folder."""
        return self.home.expanduser().absolute()


class DatabaseSettings(HomeSettings):
    """Which PostgreSQL holds the metadata."""

    database_url: SecretStr | None = None
    """A PostgreSQL to use as it is (postgresql://user:password@host:5432/name). Unset: the embedded one in `home`."""


class ObjectStoreSettings(HomeSettings):
    """The object store, and the deadline of its requests."""

    object_store_url: str | None = None
    """s3://bucket/prefix or file:///folder. Unset: the folder `objects` in `home`."""
    store_deadline_s: float = Field(default=30, gt=0)
    """By when each request to an S3 server is over, retries included."""
    store_requests: int = Field(default=16, ge=1)
    """Requests of one process to an S3 server at once; others wait for their turn."""


class InferenceSettings(BaseModel):
    """The runtime of registered models."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    inference_provider: str | None = None
    """tensorrt, cuda or cpu. Unset: the first of them that this machine has."""
    inference_threads: int = Field(default=0, ge=0)
    """Threads of one model's session; 0: as many as there are cores."""
    inference_url: str | None = None
    """A server of the Open Inference Protocol (Triton, KServe) that computes in place of this machine."""
    inference_versions: bool = True
    """Whether that server knows versions of models; without, `defects@3` is called `defects_3` there."""


class ContainerSettings(BaseModel):
    """What runs components that are container images."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    container_program: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """podman, docker, the path of one of them, or kubernetes: runs of batches make pods, as the Helm chart's
    `components.enabled` sets it. Unset: the first program that is installed."""


class GameSettings(HomeSettings):
    """What this machine has for games, and how long they may take."""

    scratch: Path | None = None
    """A folder for files that only live as long as their process (uploads under way, games that run): they lie in
    `imageflow` inside it, which the nightly upkeep clears. Unset: `scratch` in `home`."""
    games: Path = Path("games")
    """Folder of the game files that the API may start."""
    game_display: str | None = None
    """An X display that is there already (:1), for one game at a time. Unset: each game has an Xvfb of its own."""
    game_display_timeout_s: float | None = Field(default=None, gt=0, le=3600)
    """From the start of a display until it answers. Unset: 20."""
    game_start_timeout_s: float | None = Field(default=None, gt=0, le=3600)
    """From a game's start until its map stands still; takes precedence over the survey's own. Each `wait_until` of
    `prepare` and `home` waits at least this long. Unset: the survey's own."""
    game_answer_timeout_s: float | None = Field(default=None, gt=0, le=600)
    """How long a game's console may take to answer one command. Unset: 10."""
    game_settle_timeout_s: float | None = Field(default=None, gt=0, le=600)
    """How long one grab waits for a picture that stands still; takes precedence over the survey's own. Unset: the
    survey's own."""

    @property
    def scratch_path(self) -> Path:
        """The folder of `scratch`, absolute. The upkeep deletes what lies there, so it is never a folder of others."""
        return (
            self.home_path / "scratch" if self.scratch is None else self.scratch.expanduser().absolute() / "imageflow"
        )


class AddressSettings(BaseModel):
    """Where the pages, the API, gRPC and Dagster's UI listen."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """The address that all of them listen on."""
    gateway_port: int = Field(default=8080, ge=1, le=65_535)
    """Port of the pages and the API."""
    dagster_port: int = Field(default=3000, ge=1, le=65_535)
    """Port of Dagster's UI."""
    engine_grpc_port: int = Field(default=50_051, ge=0, le=65_535)
    """Port on which an engine serves gRPC; 0: it serves none. Further engines on one machine need others, or 0."""
    open: Annotated[bool, BeforeValidator(_false_if_empty)] = False
    """Whether other machines may reach this deployment, which has no logins yet. Required where IMAGEFLOW_HOST is not
    this machine, and with IMAGEFLOW_PUBLIC_URL or IMAGEFLOW_TRUSTED_PROXIES."""
    public_url: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """Where a proxy serves the pages and the API, e.g. https://maps.example.com; clients may write there, too."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)] = ()
    """Addresses and networks, separated by spaces, of proxies whose `X-Forwarded-Proto` and `X-Forwarded-Host` are
    used."""

    grpc_address: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """Host and port under which clients reach gRPC, where that is not IMAGEFLOW_HOST and IMAGEFLOW_ENGINE_GRPC_PORT;
    `none` tells them to use other protocols, and so does IMAGEFLOW_PUBLIC_URL where this is unset."""

    engine_address: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """Host and port where gateways reach the gRPC of an engine, for previews and camera streams. Unset: here."""

    dagster_url: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """Where processes of this deployment reach Dagster's webserver, such as http://dagster:3000. Unset: here."""
    dagster_public_url: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """Where a proxy serves Dagster's UI; pages and alerts link there. Unset: where processes reach it."""

    @property
    def gateway_url(self) -> str:
        """Where this machine reaches the map, without a slash at the end."""
        return f"http://{self.reachable_host}:{self.gateway_port}"

    @property
    def reachable_grpc(self) -> str | None:
        """Where clients reach gRPC, as host:port; `None` where no engine serves it, or it is not known where."""
        if self.grpc_address is not None:
            return None if self.grpc_address == NO_ADDRESS else self.grpc_address
        if self.public_url is not None:
            return None  # clients are on other machines, which this machine's own address does not lead to
        return f"{self.reachable_host}:{self.engine_grpc_port}" if self.engine_grpc_port else None

    @property
    def engine_base_address(self) -> str | None:
        """Where processes of this deployment reach an engine's gRPC, as host:port; `None` where none serves it."""
        if self.engine_address is not None:
            return self.engine_address
        return f"{self.reachable_host}:{self.engine_grpc_port}" if self.engine_grpc_port else None

    @property
    def map_url(self) -> str:
        """Where people open the map, without a slash at the end."""
        return (self.public_url or self.gateway_url).rstrip("/")

    @property
    def dagster_base_url(self) -> str:
        """Where processes of this deployment reach Dagster's webserver, without a slash at the end."""
        return (self.dagster_url or f"http://{self.reachable_host}:{self.dagster_port}").rstrip("/")

    @property
    def dagster_pages_url(self) -> str:
        """Where people open Dagster's UI, without a slash at the end."""
        return (self.dagster_public_url or self.dagster_base_url).rstrip("/")

    @property
    def reachable_host(self) -> str:
        """The address under which this machine reaches what listens on `host`."""
        if self.host in EVERY_ADDRESS:
            return "127.0.0.1"
        return f"[{self.host}]" if ":" in self.host else self.host


class RunSettings(BaseModel):
    """How much runs at once, and what happens after a failure."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    capture_pool: int = Field(default=3, ge=1)
    """Games that capture screenshots at once."""
    coords_pool: int = Field(default=2, ge=1)
    """Shares of surveys whose offsets are found at once."""
    tiles_pool: int = Field(default=2, ge=1)
    """Shares of surveys whose tiles are cut at once."""
    inspection_pool: int = Field(default=2, ge=1)
    """Batches that are inspected at once; each uses all cores."""
    long_executions: int = Field(default=2, ge=1)
    """Runs of Dagster at once that execute live executions: of long-running pipelines, or with container components."""
    step_processes: int = Field(default=KEPT, ge=0)
    """Idle processes kept for long steps of pipelines, each of some 100 MB; others are started when needed."""
    execution_log_lines: int = Field(default=1_000, ge=0, le=100_000)
    """Log lines of an attempt at an execution that the database keeps; further ones lie in the object store."""
    retry_waits: Annotated[tuple[PositiveFloat, ...], NoDecode, BeforeValidator(_parts)] = (30, 60, 120)
    """Seconds, separated by spaces, before each further attempt of a step after a transient failure: a store
    that is down, a game that died."""
    publish_despite_errors: bool = False
    """Whether a map that fails a check with severity ERROR replaces the save's latest one all the same."""


class RetentionSettings(BaseModel):
    """What the nightly upkeep deletes."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    retention_surveys: int | None = Field(default=None, ge=1)
    """How many published surveys of each save are kept; older ones are deleted. Unset: all."""
    retention_days: int = Field(default=30, ge=0)
    """Younger surveys are kept, in any number."""
    execution_months: int | None = Field(default=None, ge=1)
    """For how many whole months before the present one executions are kept, with their images. Unset: for ever."""
    run_log_days: int = Field(default=30, ge=1)
    """How long Dagster keeps the steps' events, messages and output of ended runs. Runs, assets and checks stay."""


class BackupSettings(BaseModel):
    """Where backups lie, and who can decrypt them."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    backup_url: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """s3://bucket/prefix or file:///folder for backups of the database and a replica of the objects: never inside
    the object store. Unset: there are no backups."""
    backup_endpoint_url: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """Where the S3 server of backups listens. Unset: as for the object store, and so for the three below."""
    backup_region: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """Of that server."""
    backup_access_key_id: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    """Of the account that writes backups."""
    backup_secret_access_key: SecretStr | None = None
    """Of the same account."""
    backup_recipients: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)] = ()
    """Public keys of age (age1...), separated by spaces: each one's private key can decrypt the backups."""
    backup_keep_days: int = Field(default=30, ge=1)
    """How long backups of the database, and objects that were deleted or overwritten, are kept; the newest backup
    always is."""
    postgres_programs: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """Folder of pg_dump, pg_restore and psql, of the server's version or newer. Unset: those of the embedded
    PostgreSQL, version 18."""


class AlertSettings(BaseModel):
    """The receivers of alerts."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    alert_webhooks: str = ""
    """Addresses, separated by spaces, that alerts are sent to; no others ever are."""
    alert_secret: SecretStr | None = None
    """What their receivers check the signature with; needed where there are addresses."""

    @property
    def alert_addresses(self) -> tuple[str, ...]:
        """The addresses of `alert_webhooks`, each once."""
        return tuple(dict.fromkeys(self.alert_webhooks.split()))


class UploadSettings(BaseModel):
    """How large uploads may be, and when a batch is complete."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    upload_limit_bytes: int = Field(default=50_000_000, ge=1)
    """One file that is uploaded through the API."""
    batch_limit_bytes: int = Field(default=2_000_000_000, ge=1)
    """All images of a batch that is uploaded in one request."""
    model_limit_bytes: int = Field(default=600_000_000, ge=1)
    """A model with its golden set that is uploaded in one request."""
    upload_quiet_s: float = Field(default=300, ge=0)
    """A batch without a manifest is complete when nothing was written to its folder for this long."""


PARTS: tuple[type[BaseModel], ...] = (
    HomeSettings,
    DatabaseSettings,
    ObjectStoreSettings,
    AddressSettings,
    RunSettings,
    GameSettings,
    InferenceSettings,
    ContainerSettings,
    UploadSettings,
    RetentionSettings,
    BackupSettings,
    AlertSettings,
)
"""The parts in the order in which `docs/settings.md` lists them."""


class Settings(
    DatabaseSettings,
    ObjectStoreSettings,
    GameSettings,
    AddressSettings,
    RunSettings,
    InferenceSettings,
    ContainerSettings,
    UploadSettings,
    RetentionSettings,
    BackupSettings,
    AlertSettings,
    BaseSettings,
):
    """Read from the environment when made; make one at a process's start and pass it down.

    Raises `InvalidInput` with every variable that is wrong.
    """

    model_config = SettingsConfigDict(env_prefix="IMAGEFLOW_", frozen=True, extra="ignore")

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_variables(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            # The values themselves stay out: one of them may be a password.
            faults = "; ".join(f"IMAGEFLOW_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
            raise InvalidInput(f"The environment is not right: {faults}.") from None
