from introsearch.study.group_label import (
    blocks_and_members,
    group_block,
    group_label,
    group_member,
    label_parts,
)


def test_a_label_is_its_parts_again() -> None:
    label = group_label(["rings", "0.5", "sg"])
    assert label == "rings / 0.5 / sg"
    assert label_parts(label) == ["rings", "0.5", "sg"]
    assert (group_block(label), group_member(label)) == ("rings / 0.5", "sg")
    assert (group_block("sg"), group_member("sg")) == ("", "sg")


def test_blocks_and_members_are_named_once_in_order() -> None:
    labels = ["rings / sg", "rings / ip", "8gaussians / sg", "8gaussians / ip"]
    assert blocks_and_members(labels) == (["rings", "8gaussians"], ["sg", "ip"])
