"""`emotone predict`: the emotion of each clip."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from emotone.cli import completion, messages, options, output
from emotone.errors import UsageError
from emotone.prediction import UNCERTAIN, Failure, Prediction

if TYPE_CHECKING:
    from rich.text import Text

    from emotone.recognizer import Recognizer, Threshold

# Before NumPy is imported: the matrices of a clip are small, and starting a BLAS thread per core
# takes longer than all the arithmetic. Many clips are spread over the cores one by one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

app = typer.Typer(add_completion=False)

_PLACES = 4
_OTHER_COLUMNS = 40
"""Width of the table without the names of the files."""


@app.command()
def predict(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Clips, folders of clips, or - for standard input."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A bundle, or the name of an installed model.",
            autocompletion=completion.models,
        ),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", "-k", min=1, metavar="K", help="The K likeliest, in the table.")
    ] = 1,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, metavar="P", help="Below this confidence the answer is 'uncertain'."
        ),
    ] = None,
    uncertain: Annotated[
        bool,
        typer.Option("--uncertain", help="The same, below the confidence that the model states."),
    ] = False,
    emotions: options.Possible = None,
    adapt: Annotated[
        list[str] | None,
        typer.Option(
            "--adapt",
            metavar="CLIPS",
            help="A clip or folder of the same one speaker, to adapt to. May be repeated.",
        ),
    ] = None,
    neutral: Annotated[
        bool, typer.Option("--neutral", help="The clips of --adapt are all neutral.")
    ] = False,
    channel: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Listen to this channel only, from 0. Else the mean."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, metavar="N", help="Clips at once. Else one per core."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a column per score.")] = False,
) -> None:
    """Name the emotion of each clip.

    A clip is a few seconds of one voice; 'emotone analyze' is for longer
    recordings. A file that cannot be read is reported in its row, the others
    are answered, and the exit status is 1.

    With --adapt, what is peculiar to one voice is taken out of the scores:
    give clips of that speaker, unlabelled but of all emotions about equally
    often, or all neutral (--neutral). All FILEs are then of that speaker.

    Examples:
      emotone predict clip.wav
      emotone predict recordings/ --top 3
      emotone predict call.mp3 --channel 0 --threshold 0.5
      emotone predict recordings/ --csv > emotions.csv
      emotone predict anna/new.wav --adapt anna/earlier/
      emotone predict call.wav --emotions angry,neutral,happy
      ffmpeg -i film.mkv -t 4 -f wav - | emotone predict - --json
    """
    output.only_one(json=as_json, csv=as_csv)
    output.only_one(threshold=threshold is not None, uncertain=uncertain)
    if neutral and not adapt:
        raise UsageError(
            "--neutral says what the clips of --adapt are, and there are none",
            remedy="Name them: --adapt CLIPS --neutral",
        )
    from emotone.recognizer import load

    recognizer = load(model, emotions=options.names(emotions))
    if adapt:
        recognizer = recognizer.adapt(adapt, neutral=neutral, channel=channel, jobs=jobs)
        clips = output.counted(recognizer.adapted_clips, "neutral clip" if neutral else "clip")
        messages.note(f"Adapted to {clips} of one speaker")
    least: Threshold = "card" if uncertain else threshold
    answers = _Answers(recognizer, files, least, channel, jobs)
    if as_json:
        output.write_json_items(answer.to_dict() for answer in answers)
    elif as_csv:
        _write_csv(answers, recognizer.emotions)
    else:
        done = list(answers)
        if len(done) == 1 and isinstance(done[0], Failure):
            raise done[0].error  # a table of one failure says less than its line
        _print_table(done, top)
    answers.tell_long()
    if answers.failed:
        clips = output.counted(answers.count, "clip")
        messages.error(f"{answers.failed} of {clips} could not be answered.")
        raise typer.Exit(1)


class _Answers:
    """The answers as they come, counted, with a progress bar where there are many."""

    def __init__(
        self,
        recognizer: Recognizer,
        files: list[str],
        threshold: Threshold,
        channel: int | None,
        jobs: int | None,
    ) -> None:
        self.recognizer = recognizer
        self.files = files
        self.threshold = threshold
        self.channel = channel
        self.jobs = jobs
        self.count = 0
        self.failed = 0
        self.long = 0
        self.longest_s = 0.0

    def __iter__(self) -> Iterator[Prediction | Failure]:
        from emotone.cli import progress
        from emotone.frontend import LONGEST_S

        one_clip = len(self.files) == 1 and not os.path.isdir(self.files[0])  # noqa: PTH112
        with progress.bar("Listening", "clips", show=not one_clip) as report:
            for answer in self.recognizer.predict_many(
                self.files,
                threshold=self.threshold,
                channel=self.channel,
                jobs=self.jobs,
                progress=report,
            ):
                self.count += 1
                if isinstance(answer, Failure):
                    self.failed += 1
                else:
                    self.long += answer.duration_s > LONGEST_S
                    self.longest_s = max(self.longest_s, answer.duration_s)
                yield answer

    def tell_long(self) -> None:
        """Say, in one line, that emotions may change in what was answered as one clip."""
        from emotone.frontend import LONGEST_S
        from emotone.timeline.clock import clock

        if not self.long:
            return
        if self.count == 1:
            name = "Standard input" if self.files[0] == "-" else self.files[0]
            told = f"{name} lasts {clock(self.longest_s)} and has one answer for all of it"
        else:
            those = f"{self.long:,} of {self.count:,}"
            told = f"Clips of over {LONGEST_S:.0f} s ({those}) have one answer each"
        messages.note(f"{told}; 'emotone analyze FILE' tells when the emotion changes")


def _write_csv(answers: _Answers, emotions: tuple[str, ...]) -> None:
    def row(answer: Prediction | Failure) -> list[object]:
        if isinstance(answer, Failure):
            return [answer.file, "", "", *("" for _ in emotions), "", "", answer.error]
        return [
            answer.file,
            answer.emotion,
            round(answer.confidence, _PLACES),
            *(round(answer.scores[name], _PLACES) for name in emotions),
            round(answer.duration_s, 3),
            answer.model,
            "",
        ]

    header = ["file", "emotion", "confidence", *emotions, "duration_s", "model", "error"]
    output.write_csv(header, map(row, answers))


def _print_table(answers: list[Prediction | Failure], top: int) -> None:
    from rich.text import Text

    console = output.console()
    plain = console.options.ascii_only
    table = output.table("File", "Emotion", "Score")
    table.columns[0].no_wrap = True
    for answer in answers:
        if isinstance(answer, Failure):
            cells = _failed_cells(answer)
        else:
            cells = _cells(answer, top, plain=plain)
        name = output.short_path(answer.file or "", console.width - _OTHER_COLUMNS)
        table.add_row(Text(name), *cells)
    output.show(table)


def _cells(answer: Prediction, top: int, *, plain: bool) -> tuple[Text, Text]:
    from rich.text import Text

    names, scores = [], []
    if answer.emotion == UNCERTAIN:  # what was likeliest is still worth a look
        names.append(output.painted(UNCERTAIN))
        scores.append(Text(""))
    for emotion, score in answer.top(top):
        names.append(output.painted(emotion))
        scores.append(Text.assemble(f"{score:.2f} ", output.bar(score, emotion, plain=plain)))
    return Text("\n").join(names), Text("\n").join(scores)


def _failed_cells(answer: Failure) -> tuple[Text, Text]:
    from rich.text import Text

    reason = " ".join(filter(None, (f"{answer.error.cause}.", answer.error.remedy)))
    return Text("failed", style="bold red"), Text(reason, style="red")
