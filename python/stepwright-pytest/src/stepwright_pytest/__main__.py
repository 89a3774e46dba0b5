"""`python -m stepwright_pytest [PATH…]`: exit code 0, 1 when a case fails, 2 when a file cannot be used."""

import sys

from .runner import StepwrightError, complaint, run


def main(arguments: list[str]) -> int:
    if any(argument in ("-h", "--help") for argument in arguments):
        print(__doc__)
        return 0
    try:
        result = run(*arguments)
    except StepwrightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for case in result.cases:
        print(f"{'ok  ' if case.passed else 'FAIL'} {case.file}: {case.name}")
        if not case.passed:
            print("     " + case.explain().replace("\n", "\n     "))
    for found in result.complaints:
        print(f"error: {complaint(found)}", file=sys.stderr)
    failed = sum(not case.passed for case in result.cases)
    print(f"{len(result.cases) - failed} passed, {failed} failed")
    if result.complaints:
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
