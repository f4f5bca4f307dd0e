"""Synthetic reports for every drawing."""

import examples
import pytest

from edgefashion.records import BenchReport, TrainingReport, VerifyReport


@pytest.fixture(scope="session")
def bench() -> BenchReport:
    return examples.bench()


@pytest.fixture(scope="session")
def sample_bench() -> BenchReport:
    return examples.bench(is_sample=True)


@pytest.fixture(scope="session")
def hostile_bench() -> BenchReport:
    return examples.hostile_bench()


@pytest.fixture(scope="session")
def without_evidence() -> BenchReport:
    return examples.without_evidence()


@pytest.fixture(scope="session")
def training() -> TrainingReport:
    return examples.training()


@pytest.fixture(scope="session")
def sample_training() -> TrainingReport:
    return examples.training(is_sample=True)


@pytest.fixture(scope="session")
def verification() -> VerifyReport:
    return examples.verification()
