"""The rows of the table, each with the goal it has to reach, and how it is made of the sources' samples."""

import dataclasses
import statistics
import typing

from .sources import THREADS


@dataclasses.dataclass(frozen=True)
class Goal:
    limit: float
    unit: str
    at_least: bool = False
    added: bool = False  # to what it is compared with
    digits: int = 2

    def __str__(self):
        return f"{'>=' if self.at_least else '<='} {self.figure(self.limit)}"

    def figure(self, value):
        return f"{value:{'+' if self.added else ''}.{self.digits}f}{self.unit}"

    def share(self, measured):
        """How much it is of what may be: up to 1 the goal is reached."""
        return self.limit / measured if self.at_least else measured / self.limit


@dataclasses.dataclass
class Result:
    measured: float  # in the unit of the goal
    median: str
    p99: str
    beside: str  # what it is compared with, and what else is to be known
    reached: bool = True  # as far as the goal asks for more than the limit


@dataclasses.dataclass(frozen=True)
class Row:
    key: str  # for --only
    what: str
    goal: typing.Optional[Goal]  # absent: it is stated
    needs: tuple = ()
    result: typing.Optional[typing.Callable] = None
    unmeasured: str = ""  # why there is nothing to measure yet


def middle(samples, figure="median_us"):
    return statistics.median(sample[figure] for sample in samples)


def p99(values):
    """Of fewer than a hundred values the greatest."""
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]


def us(value):
    return f"{value:.2f} us" if value < 1000 else f"{value / 1000:.2f} ms"


def nothing_but_times(measured, samples, beside, **more):
    return Result(measured, us(middle(samples)), us(middle(samples, "p99_us")), beside, **more)


def of_the_floor(name):
    def result(samples):
        floor = middle(samples["floor"])
        native = f"native {us(middle(samples[f'{name} bare']))}, " if f"{name} bare" in samples else ""
        return nothing_but_times(middle(samples[name]) / floor, samples[name], f"{native}floor {us(floor)}")

    return result


def above_native(name):
    """What is added to it, in floors."""

    def result(samples):
        native, floor = middle(samples[f"{name} bare"]), middle(samples["floor"])
        beside = f"native {us(native)}, floor {us(floor)}"
        return nothing_but_times((middle(samples[name]) - native) / floor, samples[name], beside)

    return result


def of_native(name):
    def result(samples):
        native = middle(samples[f"{name} bare"])
        return nothing_but_times(middle(samples[name]) / native, samples[name], f"native {us(native)}")

    return result


def linear(*names):
    """Of one, half of them, and all: the second half may not add more to the native time than the first did, but for a
    tenth of the figure, which may be by chance."""

    def result(samples):
        one, half, whole = (middle(samples[name]) - middle(samples[f"{name} bare"]) for name in names)
        measured = middle(samples[names[-1]])
        beside = f"native {us(measured - whole)}; added {us(whole)}, to half as many {us(half)}, to one {us(one)}"
        straight = whole - half <= max(half - one, 0) + measured / 10
        if not straight:
            beside += "; not linear"
        return nothing_but_times(measured / 1000, samples[names[-1]], beside, reached=straight)

    return result


def filtered_calls(samples):
    """The kind that suffers most."""
    ratios, slept = {}, 0
    for kind in samples["filtered"][0]:
        without, under = ([sample[kind] for sample in samples[name]] for name in with_native("filtered"))
        ratios[kind] = middle(under) / middle(without)
        slept += sum(sample["more"] for sample in under)
    worst = max(ratios, key=ratios.get)
    under = [sample[worst] for sample in samples["filtered"]]
    calls = ", ".join(f"{kind} {ratio:.3f}x" for kind, ratio in ratios.items())
    # A notified call gives up its processor. So does another call now and then, to whom else wants it.
    notified = slept >= len(samples["filtered"]) * len(ratios) * 10
    return nothing_but_times(
        ratios[worst], under, f"{calls}; {'some were notified' if notified else 'none notified'}", reached=not notified
    )


def throughput(samples):
    """Of each number of threads, in parts of the best that fewer had."""
    rates = [middle(samples[f"{threads} threads"], "more") for threads in THREADS]
    floors = [middle(samples[f"floor, {threads} threads"], "more") for threads in THREADS]
    falls = [rate / max(rates[: i + 1]) for i, rate in enumerate(rates[1:])]
    beside = "calls a second in {}: {}; floor: {}".format(
        "/".join(map(str, THREADS)),
        "/".join(f"{rate:.0f}" for rate in rates),
        "/".join(f"{rate:.0f}" for rate in floors),
    )
    return nothing_but_times(min(falls), samples[f"{THREADS[-1]} threads"], beside)


def added(way):
    def result(samples):
        lives = [life for sample in samples["lives"] for life in sample]
        sums = {name: [sum(life[name].values()) * 1000 for life in lives] for name in ("bare", way)}
        bare, median = statistics.median(sums["bare"]), statistics.median(sums[way])
        parts = ", ".join(
            f"{verb} {statistics.median(life[way][verb] for life in lives) * 1000:.2f}"
            for verb in ("create", "start", "delete")
        )
        return Result(median - bare, f"{median:.2f} ms", f"{p99(sums[way]):.2f} ms", f"bare {bare:.2f} ms; {parts}")

    return result


def memory(name):
    def result(samples):
        totals = [sum(sample.values()) * 1024 / 1e6 for sample in samples[name]]
        processes = ", ".join(
            f"{process} {statistics.median(sample.get(process, 0) for sample in samples[name]) * 1024 / 1e6:.2f}"
            for process in samples[name][0]
        )
        median = statistics.median(totals)
        return Result(median, f"{median:.2f} MB", f"{p99(totals):.2f} MB", processes)

    return result


def crowd_memory(samples):
    totals = [sum(sample["memory"].values()) * 1024 / 1e6 for sample in samples["crowd"]]
    last = samples["crowd"][-1]
    beside = ", ".join(f"{process} {kib * 1024 / 1e6:.2f}" for process, kib in last["memory"].items())
    median = statistics.median(totals)
    return Result(median, f"{median:.2f} MB", f"{p99(totals):.2f} MB", f"{beside}; of {len(last['calls'])}")


def crowd_calls(samples):
    """The worst container's 99th percentile."""
    calls = [figures for sample in samples["crowd"] for figures in sample["calls"]]
    worst = max(high for _, high in calls)
    seconds = statistics.median(sample["seconds"] for sample in samples["crowd"])
    median = statistics.median(median for median, _ in calls)
    return Result(worst / 1e6, us(median / 1000), us(worst / 1000), f"all started and served in {seconds:.1f} s")


def served(name):
    """Requests in a second, in parts of those without a policy."""

    def result(samples):
        under, bare = middle(samples[name], "per_second"), middle(samples[f"{name} bare"], "per_second")
        beside = f"bare {bare:.0f}/s, p99 {middle(samples[f'{name} bare'], 'p99_ms'):.2f} ms"
        return Result(under / bare * 100, f"{under:.0f}/s", f"{middle(samples[name], 'p99_ms'):.2f} ms", beside)

    return result


def fast(name):
    """The time that it takes without a policy, in parts of that under one."""

    def result(samples):
        under, bare = ([time for sample in samples[way] for time in sample] for way in (name, f"{name} bare"))
        median = statistics.median(under)
        beside = f"bare {statistics.median(bare):.2f} ms"
        return Result(statistics.median(bare) / median * 100, f"{median:.2f} ms", f"{p99(under):.2f} ms", beside)

    return result


def with_native(*names):
    return tuple(source for name in names for source in (f"{name} bare", name))


def rows():
    of_floor, of_filtered, of_exec = Goal(1.10, "x"), Goal(1.02, "x", digits=3), Goal(1.25, "x")
    of_many = Goal(1.15, "x")
    percent, two_percent_less = Goal(99, " %", at_least=True), Goal(98, " %", at_least=True)
    every_number = tuple(f"{kind}{threads} threads" for kind in ("", "floor, ") for threads in THREADS)
    exec_threads = ("exec", "exec, 32 threads", "exec, 64 threads")
    exec_tasks = ("exec", "exec, 250 tasks", "exec, 500 tasks")

    def floor_row(key, what, goal, name=None):
        return Row(key, what, goal, ("floor", name or key), of_the_floor(name or key))

    def sent(key, what, name):
        return Row(key, what, None, ("floor", *with_native(name)), of_the_floor(name))

    return [
        floor_row("bare-call", "a call without a policy", None, "bare call"),
        floor_row("floor", "the floor: minimal RECV/SEND loop", None),
        floor_row("floor-cgroup", "the floor, target in another cgroup", None, "floor, other cgroup"),
        floor_row("refused", "refused and logged", of_floor),
        floor_row("let-run", "let run and logged", of_floor),
        floor_row("refused-rules", "refused, with 1,000 other rules", of_many),
        floor_row("let-run-rules", "let run, with 1,000 other rules", of_many),
        floor_row("refused-own-rules", "refused, behind 1,000 rules on it", of_many),
        floor_row("let-run-own-rules", "let run, behind 1,000 rules on it", of_many),
        floor_row("refused-ranges", "refused, with 10,000 CIDRs", of_many),
        floor_row("let-run-ranges", "let run, with 10,000 CIDRs", of_many),
        Row("udp", "UDP connect on behalf", Goal(1.8, "x"), ("floor", *with_native("udp")), of_the_floor("udp")),
        Row("tcp", "TCP connect on behalf, beyond native", Goal(1.5, "x", added=True), ("floor", *with_native("tcp")),
            above_native("tcp")),
        sent("unix-send", "sendmsg over a Unix socket", "unix send"),
        sent("unix-send-limited", "the same, memory is limited", "unix send, limited"),
        sent("unix-send-descriptor", "the same, with a descriptor", "unix send, descriptor"),
        Row("exec", "vfork + exec of /bin/true", of_exec, with_native("exec"), of_native("exec")),
        Row("exec-static", "vfork + exec of a static true", of_exec, with_native("static exec"),
            of_native("static exec")),
        Row("exec-threads", "exec of /bin/true, one of 64 threads", Goal(3, " ms"),
            with_native(*exec_threads), linear(*exec_threads)),
        Row("exec-tasks", "exec of /bin/true, among 500 tasks", Goal(3, " ms"),
            with_native(*exec_tasks), linear(*exec_tasks)),
        Row("filtered", "calls the filter decides alone", of_filtered, with_native("filtered"), filtered_calls),
        Row("threads", "throughput of 1, 2, 4, 8 threads", Goal(1, "x", at_least=True), every_number, throughput),
        Row("life", "create + start + delete, no policy", Goal(1, " ms", added=True), ("lives",), added("shim")),
        Row("life-policy", "the same, with policy and agent", Goal(6, " ms", added=True), ("lives",),
            added("policy")),
        Row("memory", "agent's memory, idle, new", Goal(3, " MB"), ("memory, new",), memory("memory, new")),
        Row("memory-used", "agent's memory, idle, after calls", Goal(3, " MB"), ("memory, used",),
            memory("memory, used")),
        Row("memory-node", "node agent's memory, 250 containers", Goal(18, " MB"), ("crowd",),
            crowd_memory),
        Row("redis", "redis-benchmark", percent, with_native("redis"), served("redis")),
        Row("nginx", "wrk on nginx", percent, with_native("nginx"), served("nginx")),
        Row("python", "python's start", percent, with_native("python"), fast("python")),
        Row("node", "node's start", percent, with_native("node"), fast("node")),
        Row("make", "make -j2", two_percent_less, with_native("make"), fast("make")),
        Row("files-redis", "redis-benchmark under file rules", two_percent_less, with_native("redis, files"),
            served("redis, files")),
        Row("files-find", "find / under file rules", two_percent_less, with_native("find, files"),
            fast("find, files")),
        Row("files-make", "make -j2 under file rules", two_percent_less, with_native("make, files"),
            fast("make, files")),
        Row("node-mode", "250 containers at once, a core free, p99", Goal(2, " ms"), ("crowd",), crowd_calls),
    ]
