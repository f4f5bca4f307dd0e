"""Synthetic reports for every drawing."""

import cases
import examples
import pieces
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
    return cases.hostile()


@pytest.fixture(scope="session")
def without_evidence() -> BenchReport:
    return cases.without_evidence()


@pytest.fixture(scope="session")
def training() -> TrainingReport:
    return pieces.training()


@pytest.fixture(scope="session")
def sample_training() -> TrainingReport:
    return pieces.training(is_sample=True)


@pytest.fixture(scope="session")
def verification() -> VerifyReport:
    return pieces.verification()
