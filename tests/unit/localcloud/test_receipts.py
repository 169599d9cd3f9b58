"""Which version of which blob a function has had."""

from localcloud.host import receipts as receipts_module
from localcloud.host.receipts import Receipts


def test_a_settled_version_is_settled_after_a_restart(tmp_path):
    receipts = Receipts(tmp_path / "r.jsonl")
    receipts.settle("f", "büro/a.json", "0x1")
    receipts.close()
    again = Receipts(tmp_path / "r.jsonl")
    assert again.is_settled("f", "büro/a.json", "0x1")
    assert not again.is_settled("f", "büro/a.json", "0x2")
    assert not again.is_settled("g", "büro/a.json", "0x1")
    again.close()


def test_failures_are_counted_for_each_version_and_over_restarts(tmp_path):
    receipts = Receipts(tmp_path / "r.jsonl")
    assert [receipts.fail("f", "a", "0x1"), receipts.fail("f", "a", "0x1")] == [1, 2]
    receipts.close()
    again = Receipts(tmp_path / "r.jsonl")
    assert again.fail("f", "a", "0x1") == 3
    assert not again.is_settled("f", "a", "0x1")
    assert again.fail("f", "a", "0x2") == 1
    again.close()


def test_forgotten_blobs_are_unknown(tmp_path):
    receipts = Receipts(tmp_path / "r.jsonl")
    receipts.settle("f", "a", "0x1")
    receipts.settle("g", "a", "0x1")
    receipts.forget("f", {"a", "never seen"})
    assert receipts.blobs("f") == set()
    assert receipts.blobs("g") == {"a"}
    receipts.close()


def test_a_line_cut_by_a_kill_is_left_out(tmp_path):
    receipts = Receipts(tmp_path / "r.jsonl")
    receipts.settle("f", "a", "0x1")
    receipts.settle("f", "b", "0x1")
    receipts.close()
    text = (tmp_path / "r.jsonl").read_bytes()
    (tmp_path / "r.jsonl").write_bytes(text[:-4])
    again = Receipts(tmp_path / "r.jsonl")
    assert again.blobs("f") == {"a"}
    again.close()


def test_the_file_is_rewritten_when_most_of_it_no_longer_matters(tmp_path):
    receipts = Receipts(tmp_path / "r.jsonl")
    for number in range(receipts_module.SLACK_LINES + 10):
        receipts.settle("f", "a", f"{number}")
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) < 20
    assert receipts.is_settled("f", "a", f"{receipts_module.SLACK_LINES + 9}")
    receipts.close()
