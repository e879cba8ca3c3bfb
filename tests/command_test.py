import pytest

from optical_jax import command


def _ends(error):
    @command.reported
    def main(status):
        if error is not None:
            raise error
        return status

    return main


@pytest.mark.parametrize(
    "error", [ValueError, OSError, FileNotFoundError, FloatingPointError]
)
def test_an_error_is_one_line_and_status_1(capsys, error):
    text = f"got [1] in {'long/' * 40}file"
    assert _ends(error(text))(0) == 1
    assert capsys.readouterr() == ("", f"error: {text}\n")


def test_other_ends_of_a_command(capsys):
    assert [_ends(None)(status) for status in (0, 2)] == [0, 2]
    assert _ends(KeyboardInterrupt())(0) == 130
    assert capsys.readouterr() == ("", "")
    # What is wrong with the program itself keeps its traceback.
    with pytest.raises(KeyError):
        _ends(KeyError("x"))(0)


def test_echoes_of_a_failed_save_are_not_printed(capsys):
    for error in (RuntimeError("Event loop is closed"), RuntimeError("another")):
        command._said_once(RuntimeError, error, None)
    assert capsys.readouterr().err == "RuntimeError: another\n"
