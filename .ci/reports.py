"""Lists what failed in the reports of test runs.

reports.py failed DIRECTORY…   each case that failed in any of the runs, and in how many
reports.py slow DIRECTORY…     the time of all cases, and the fifty slowest
"""
import collections
import pathlib
import sys
import xml.etree.ElementTree as xml


def cases(directory):
    for report in sorted(pathlib.Path(directory).glob("TEST-*.xml")):
        for case in xml.parse(report).getroot().iter("testcase"):
            problem = case.find("failure")
            if problem is None:
                problem = case.find("error")
            seconds = float(case.get("time", "0").replace(",", ""))
            yield f'{case.get("classname")} {case.get("name")}'.strip(), seconds, problem


def failed(directories):
    failures = collections.defaultdict(list)
    for directory in directories:
        for name, _, problem in cases(directory):
            if problem is not None:
                text = problem.get("message") or problem.text or ""
                line = next((each for each in text.splitlines() if each.strip()), "")
                failures[name].append(line.strip()[:200])
    for name, lines in sorted(failures.items(), key=lambda item: (-len(item[1]), item[0])):
        print(f"{len(lines)} of {len(directories)}: {name}")
        for line in sorted(set(lines)):
            print(f"    {line}")
    return 1 if failures else 0


def slow(directories):
    all_cases = [(seconds, name) for each in directories for name, seconds, _ in cases(each)]
    print(f"{len(all_cases)} cases, {sum(seconds for seconds, _ in all_cases):.1f} s")
    for seconds, name in sorted(all_cases, reverse=True)[:50]:
        print(f"{seconds:8.2f} {name}")
    return 0


if __name__ == "__main__":
    sys.exit({"failed": failed, "slow": slow}[sys.argv[1]](sys.argv[2:]))
