"""The microphones of this machine, as `emotone listen --list-devices` prints them."""

from __future__ import annotations

from emotone.cli import messages, output


def show_microphones(*, as_json: bool, as_csv: bool) -> None:
    """Print a table of them, or JSON or CSV; a note where there is none."""
    from emotone.live.microphone import devices

    found = devices()
    if as_json:
        output.write_json([each.to_dict() for each in found])
        return
    if as_csv:
        names = ("device", "name", "system", "channels", "rate", "default")
        output.write_csv(names, (list(each.to_dict().values()) for each in found))
        return
    from rich.text import Text

    rows = output.table(
        "Device", "Name", "System", "Channels", "Rate", "", numbers=("Device", "Channels", "Rate")
    )
    for each in found:
        rows.add_row(
            str(each.number),
            Text(messages.printable(each.name)),
            Text(messages.printable(each.system)),
            str(each.channels),
            f"{each.rate} Hz",
            "default" if each.is_default else "",
        )
    if found:
        output.show(rows)
    else:
        messages.note("There is no microphone. Connect one and allow the terminal to use it.")
