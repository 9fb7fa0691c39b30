"""`aiml-music sandbox`: the service on this machine, to try a program on without a key and without money."""

import os
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from aiml_music.cli.faults import CommandError
from aiml_music.cli.parameters import Load, Loading, OnScreen, Switch
from aiml_music.cli.screen import aligned


def sandbox(
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8088,
    latency: float = 2.0,
    scenario: str | None = None,
    withdrawn: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    list_scenarios: Switch = False,
    screen: OnScreen,
    load: Loading,
) -> None:
    """Run the service on this machine, without a key and without money.

    Tracks are real files in which a voice hums vowels instead of words.
    Ctrl-C ends it, with exit code 0.

    Args:
        port: Where to listen on 127.0.0.1; 0 takes a free one.
        latency: Seconds that a generation takes; the service needs about 60.
        scenario: A named fault for every generation.
        withdrawn: A model that is no longer served, such as music-01; may be repeated.
        list_scenarios: Print the names of the faults and what they do, and end.
        screen: Where to print.
        load: Imports the sandbox.
    """
    service = load_sandbox(load)
    if list_scenarios:
        for line in aligned([(fault.name, fault.description) for fault in service.SCENARIOS.values()]):
            screen.say(line)
        return
    settings = settings_of(service, latency=latency, scenario=scenario, withdrawn=withdrawn)
    key = settings.accept_keys + service.DEFAULT_KEY.removeprefix("sandbox")

    def ready(base_url: str) -> None:
        screen.say(f"The sandbox listens on {base_url}")
        screen.say("In the shell where your program runs:")
        screen.say()
        for name, value in (("AIML_API_BASE", base_url), ("AIML_API_KEY", key)):
            screen.say(f"  {assignment(name, value, windows=os.name == 'nt')}")
        screen.say()
        screen.say("Ctrl-C ends it.")

    try:
        service.serve(settings, port=port, ready=ready)
    except service.PortTakenError as error:
        raise CommandError(f"{error.strerror}.", "Choose another --port, or 0 for a free one.") from None
    screen.note("The sandbox has ended.")


def load_sandbox(load: Load) -> Any:
    """Return the sandbox's package, which needs more than the command itself.

    Raises:
        CommandError: what it needs is not installed.
    """
    try:
        return load("aiml_music.sandbox")
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise CommandError(f"The sandbox needs {package}.", "In the checkout: pip install '.[cli,sandbox]'") from None


def settings_of(service: Any, **chosen: Any) -> Any:
    """Return the sandbox's settings.

    Raises:
        CommandError: one of them is out of range.
    """
    try:
        return service.Settings(**chosen)
    except ValueError as error:
        raise CommandError(f"{error.args[0]}.") from None


def assignment(name: str, value: str, *, windows: bool) -> str:
    """Return the line that sets a variable of the environment: in PowerShell or a POSIX shell."""
    return f'$env:{name} = "{value}"' if windows else f"export {name}={value}"
