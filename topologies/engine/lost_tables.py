"""Why a worker with tables ends where the log lost what they were made of."""


class LostTablesError(Exception):
    """What tables were made of is lost; a worker that is started builds them anew."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}, of which tables may have been made: start this worker again, and it builds "
            "them from what there is"
        )
