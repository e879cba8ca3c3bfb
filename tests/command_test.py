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


def test_a_closed_loop_is_told_nothing():
    loop = command._Loops().new_event_loop()
    told = []
    loop.call_soon_threadsafe(told.append, 1)
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()
    loop.close()
    assert loop.call_soon_threadsafe(told.append, 2) is None
    assert told == [1]
