"""rmw_zenoh's convention, against what its design document and its peers write."""

import pytest

from covary.nodes.bus import wire
from covary.nodes.bus.gid import gid
from covary.nodes.messages import MessageError

STRING = "std_msgs/msg/String"
STRING_HASH = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"


def test_keys_as_in_the_design_document():
    chatter = f"0/chatter/std_msgs::msg::dds_::String_/{STRING_HASH}"
    assert wire.key(0, "/chatter", STRING) == chatter
    assert wire.key(0, "/robot1/chatter", STRING) == chatter.replace("0/", "0/robot1/", 1)
    assert wire.key(2, "/stop", "std_srvs/srv/Trigger") == (
        "2/stop/std_srvs::srv::dds_::Trigger_/"
        "RIHS01_eeff2cd6fa5ad9d27cdf4dec64818317839b62f212a91e6b5304b634b2062c5f"
    )


@pytest.mark.parametrize(
    ("service", "digest"),
    [
        (
            "std_srvs/srv/Trigger",
            "eeff2cd6fa5ad9d27cdf4dec64818317839b62f212a91e6b5304b634b2062c5f",
        ),
        (
            "std_srvs/srv/SetBool",
            "abe9e4bb6b41b40e6789712c00ec8871923e089af3f667a79992a428cff2da0a",
        ),
        (
            "lifecycle_msgs/srv/ChangeState",
            "356fe34f0475a43acf54542013af4167b0e729f77ea22ffb045c6ad8e20668e5",
        ),
        (
            "lifecycle_msgs/srv/GetState",
            "800a0a5aae599782b02932de0caf563f6dc4e7e94b794eadde075ba2cbef9795",
        ),
        (
            "rcl_interfaces/srv/ListParameters",
            "3e6062bfbb27bfb8730d4cef2558221f51a11646d78e7bb30a1e83afac3aad9d",
        ),
        (
            "rcl_interfaces/srv/GetParameters",
            "bf9803d5c74cf989a5de3e0c2e99444599a627c7ff75f97b8c05b01003675cbc",
        ),
        (
            "rcl_interfaces/srv/GetParameterTypes",
            "da199c878688b3e530bdfe3ca8f74cb9fa0c303101e980a9e8f260e25e1c80ca",
        ),
        (
            "rcl_interfaces/srv/DescribeParameters",
            "845b484d71eb0673dae682f2e3ba3c4851a65a3dcfb97bddd82c5b57e91e4cff",
        ),
        (
            "rcl_interfaces/srv/SetParameters",
            "56eed9a67e169f9cb6c1f987bc88f868c14a8fc9f743a263bc734c154015d7e0",
        ),
        (
            "rcl_interfaces/srv/SetParametersAtomically",
            "0e192ef259c07fc3c07a13191d27002222e65e00ccec653ca05e856f79285fcd",
        ),
    ],
)
def test_service_hashes_as_other_implementations_have_them(service, digest):
    assert wire.service_hash(service) == f"RIHS01_{digest}"


def test_tokens_as_in_the_design_document():
    zid = "aac3178e146ba6f1fc6e6a4085e77f21"
    node = f"@ros2_lv/2/{zid}/0/0/NN/%/%/listener"
    assert wire.node_token(2, zid, "", "listener") == node
    talker = (
        "@ros2_lv/2/8b20917502ee955ac4476e0266340d5c/0/10/MP/%/%/talker/%chatter/"
        f"std_msgs::msg::dds_::String_/{STRING_HASH}/::,7:,:,:,,"
    )
    parts = (2, "8b20917502ee955ac4476e0266340d5c", 10, "MP", "", "talker", "/chatter", STRING)
    assert wire.endpoint_token(*parts, depth=7) == talker
    assert wire.parse_token(node) == ("NN", "", "listener", "", "")
    assert wire.parse_token(talker) == ("MP", "", "talker", "/chatter", STRING)


def test_tokens_of_a_namespace_and_of_all_history():
    token = wire.endpoint_token(0, "a", 1, "SS", "/left/arm", "sim", "/left/stop", STRING, depth=0)
    assert "/SS/%/%left%arm/sim/%left%stop/" in token and token.endswith("/::2,:,:,:,,")
    assert wire.parse_token(token) == ("SS", "/left/arm", "sim", "/left/stop", STRING)


@pytest.mark.parametrize("text", ["", "a/b", "@ros2_lv/0/z/0/0/NN", "@ros2_lv/0/z/0/1/MP/%/%/n"])
def test_foreign_tokens(text):
    assert wire.parse_token(text) is None


def test_attachment_bytes():
    """Little endian: sequence, time, the gid's length, the gid (as captured from ROS 2 Humble)."""
    raw = wire.Attachment(0xD8, 0x18C4F86201E1DA34, bytes(range(16))).pack()
    assert raw.hex() == "d80000000000000034dae10162f8c41810" + bytes(range(16)).hex()
    assert wire.Attachment.unpack(raw) == (0xD8, 0x18C4F86201E1DA34, bytes(range(16)))


TALKER = "@ros2_lv/2/8b20917502ee955ac4476e0266340d5c/0/10/MP/%/"
ENDING = f"/std_msgs::msg::dds_::String_/{STRING_HASH}/::,7:,:,:,,"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (  # token and gid of one publisher, as captured from rmw_zenoh_cpp 0.1.8 (ROS 2 Humble)
            "@ros2_lv/0/9ca0f8facf84ffb1e6bfa4f2500889f0/0/3/MP/%/%/_ros2cli_712/%chatter/"
            "std_msgs::msg::dds_::String_/TypeHashNotSupported/:1:,1:,:,:,,",
            "f07168d3856ce9f689254cbed6252151",
        ),
        # and what the xxhash library 4.1 gives for all ways through the hash
        (f"{TALKER}%/talker/%chatter{ENDING}", "ac170f31eadcd9ff0cd86d7a17907d1c"),
        (
            f"{TALKER}%left%arm/a_talker_with_a_long_name/%left%arm%chatter_with_a_long_name"
            f"{ENDING}",
            "935478a33352c510d09e010fccb80df1",
        ),
        ("@ros2_lv/" + "x" * 1100, "90026433828f18b54532e7cafdac6782"),
    ],
)
def test_the_gid_of_an_end_follows_from_its_token(token, expected):
    assert gid(token).hex() == expected


def test_a_node_has_no_gid():
    with pytest.raises(ValueError, match="no token of an end"):
        gid(wire.node_token(0, "a", "", "n"))


def test_the_default_depth_is_left_empty_as_rmw_zenoh_leaves_it():
    parts = (2, "a", 10, "MP", "", "talker", "/chatter", STRING)
    assert wire.endpoint_token(*parts, depth=42).endswith("/::,:,:,:,,")


@pytest.mark.parametrize("raw", [b"", bytes(32), bytes(33), bytes(34)])
def test_no_attachment(raw):
    with pytest.raises(MessageError):
        wire.Attachment.unpack(raw)


@pytest.mark.parametrize("name", ["", "/", "a b", "/*", "/**", "/a//b", "/a/", "/1a", "/a$b", "/é"])
def test_what_is_no_topic(name):
    with pytest.raises(MessageError, match="no name of a topic"):
        wire.key(0, name, STRING)
