"""Which runs of a follower stay in the instance."""

import dagster as dg

from orchestration.warm import FOLLOWED, forget_runs


@dg.op
def do() -> None:
    """Nothing."""


@dg.op
def fail() -> None:
    raise dg.Failure("as asked")


@dg.job
def working() -> None:
    do()


@dg.job
def failing() -> None:
    fail()


def test_the_newest_that_went_well_stay_and_all_that_failed_or_are_not_its_own() -> None:
    with dg.DagsterInstance.ephemeral() as instance:

        def run(job: dg.JobDefinition, tags: dict[str, str]) -> str:
            done = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
            return done.run_id

        others = [run(working, {}), run(failing, FOLLOWED)]
        own = [run(working, FOLLOWED) for _ in range(4)]
        forget_runs(instance, keep=2)
        assert set(instance.get_run_ids()) == {*others, *own[2:]}
        assert not instance.all_logs(own[0]) and instance.all_logs(own[3])
