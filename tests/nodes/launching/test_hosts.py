"""What every launch file can be told of hosts: endpoints, security files, nodes to start here."""

import shutil
import subprocess

import pytest

from covary.nodes.bus.session import access_control
from covary.nodes.launching.description import to_yaml
from covary.nodes.launching.hosts import hosts_of
from covary.nodes.launching.launch_file import read_assignments, resolve
from covary.nodes.launching.security_file import Access, read_security
from covary.nodes.launching.yaml_loader import InputError

FILE = """
launch:
- node: {exec: sim_node, name: sim, on_exit: shutdown, param: [{name: task, value: push}]}
- node: {exec: control_node, name: control, param: [{name: task, value: push}]}
- group:
  - push_ros_namespace: {namespace: left}
  - node: {exec: control_node, name: hand, param: [{name: task, value: push}]}
- group:
  - push_ros_namespace: {namespace: right}
  - node: {exec: control_node, name: hand, param: [{name: task, value: push}]}
- timer: {period: 1, children: [{node: {exec: recorder_node, name: recorder}}]}
- executable: {cmd: sleep 1, name: sleep}
"""
OPEN = "without TLS everybody on that network can read and command"
MISTAKES = {
    "listen:=0.0.0.0:7447": "must be PROTOCOL/HOST:PORT",
    "listen:=tcp/0.0.0.0": "must be PROTOCOL/HOST:PORT",
    "listen:=tsl/1.1.1.1:1": "no protocol 'tsl'; did you mean 'tls'?",
    "listen:=udp/1.1.1.1:1": "no protocol 'udp'; one of tcp, tls",
    "listen:=tcp/127.0.0.1:0": "no port 0; from 1 to 65535",
    "listen:=tcp/127.0.0.1:70000": "no port 70000; from 1 to 65535",
    "listen:=tcp/300.1.1.1:1": "'300.1.1.1' is no address",
    "listen:=tcp/0.0.0.0:1": OPEN,
    "listen:=tcp/[::]:1": OPEN,
    "listen:=tcp/127.0.0.1:1,tcp/10.0.0.1:1": f"tcp/10.0.0.1:1: {OPEN}",
    "connect:=tcp/robot:1": f"connect:=tcp/robot:1: {OPEN}",
    "connect:=tcp/0.0.0.0:1": "no host to connect to",
    "listen:=tls/0.0.0.0:1": "tls needs certificates: security:=FILE",
    "listen:=tcp/127.0.0.1:1,tcp/127.0.0.1:1": "is given twice",
    "listen:=tcp/127.0.0.1:1,": "must be words with commas between them",
    "only:=contol": "has no such node; did you mean 'control'?",
    "only:=everything": "has no such node; it has sim, control, hand, hand, recorder, sleep",
    "only:=hand": "which of /left/hand, /right/hand?",
    "domain:=-1": "must be a whole number >= 0",
    "domain:=x": "must be a whole number >= 0",
    "security:=nowhere.yaml": "security:=nowhere.yaml: cannot read it",
    "lsten:=a": "has no argument 'lsten'; did you mean 'listen'?",
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with an authority, two keys with certificates, and a security file."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("certificates")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for name in ("ca", "robot", "desk"):
        make = ["openssl", "req", "-x509", *curve, "-subj", f"/CN={name}", "-days", "2"]
        make += ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run(make, cwd=folder, check=True, capture_output=True)
        (folder / f"{name}.key").chmod(0o600)
    write(folder)
    return folder


def write(folder, name="robot.yaml", **changes):
    entries = {"ca": "ca.pem", "certificate": "robot.pem", "key": "robot.key", "access": "all"}
    lines = [f"{key}: {value}\n" for key, value in (entries | changes).items() if value]
    (folder / name).write_text("".join(lines))
    return folder / name


def told(file, *words):
    return hosts_of(resolve(file, read_assignments(words)))


def test_nothing_said_is_one_host_in_a_domain_of_its_own(file):
    hosts = told(file)
    assert (hosts.domain, hosts.linked, hosts.elsewhere) == (None, False, ())
    assert len(hosts.here) == 6


def test_they_need_no_declaration(file):
    hosts = told(file, "domain:=3", "only:=sim,/left/hand,sleep", "listen:=tcp/127.0.0.1:7447")
    assert hosts.domain == 3 and hosts.linked
    assert [node.full_name for node in hosts.here] == ["/sim", "/left/hand", "/sleep"]
    # Neither what starts later nor a bare command is waited for.
    assert hosts.elsewhere == ("/control", "/right/hand")
    words = "listen:=[tcp/localhost:1, 'tcp/[::1]:2']", "connect:=tcp/10.0.0.1:3", "security:=none"
    hosts = told(file, *words)
    assert hosts.listen == ("tcp/localhost:1", "tcp/[::1]:2")
    assert (hosts.connect, hosts.domain) == (("tcp/10.0.0.1:3",), 0)


def test_a_declaration_gives_a_default(file):
    text = FILE.replace("launch:", "launch:\n- arg: {name: only, default: sim}")
    file.write_text(text.replace("launch:", "launch:\n- arg: {name: domain, default: 7}"))
    assert told(file).domain == 7 and len(told(file).here) == 1
    assert len(told(file, "only:=").here) == 6


def test_the_resolved_file_says_them_again(file, tmp_path):
    words = ("domain:=3", "only:=sim", "listen:=tcp/127.0.0.1:7447")
    again = tmp_path / "again.yaml"
    again.write_text(to_yaml(resolve(file, read_assignments(words))))
    first, second = told(file, *words), told(again)
    assert (first.domain, first.listen, first.elsewhere) == (
        (second.domain, second.listen, second.elsewhere)
    )


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line(file, words):
    with pytest.raises(InputError) as caught:
        told(file, words)
    assert MISTAKES[words] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_beside_a_security_file_nothing_plain_is_open(file, certificates):
    secure = f"security:={certificates / 'robot.yaml'}"
    assert told(file, secure, "listen:=tls/0.0.0.0:7447,tcp/127.0.0.1:7448").security is not None
    with pytest.raises(InputError, match="tcp would be a way around security:=FILE; write tls/"):
        told(file, secure, "listen:=tcp/0.0.0.0:7447")


def test_a_security_file(certificates):
    entry = "{desk: all, tablet: {read: [/state, /left/plan], call: [/stop]}}"
    security = read_security(write(certificates, "some.yaml", access=entry))
    assert security.ca == certificates / "ca.pem" and security.key == certificates / "robot.key"
    tablet = Access(read=("/state", "/left/plan"), call=("/stop",))
    assert security.access == {"desk": "all", "tablet": tablet}
    control = access_control(security, 5)
    assert control["default_permission"] == "deny"
    names = {rule["id"]: rule for rule in control["rules"]}
    assert names["tablet read out"]["key_exprs"] == ["5/state/*/*", "5/left/plan/*/*"]
    assert not any("write" in name for name in names)
    assert {key for rule in control["rules"] for key in rule["key_exprs"]} >= {"5/**"}


@pytest.mark.parametrize(
    ("changes", "message"),
    {
        "a word": ({"acess": "all"}, "unknown key 'acess'; did you mean 'access'?"),
        "no key": ({"key": ""}, "'key' is missing"),
        "no file": ({"ca": "nowhere.pem"}, "nowhere.pem: No such file or directory"),
        "no text": ({"ca": "[a]"}, "must be a file, not a list"),
        "another's key": ({"key": "desk.key"}, "are no certificate with its plain key (key val"),
        "a key for a certificate": ({"certificate": "robot.key"}, "no certificate with its plain"),
        "no authority": ({"ca": "robot.yaml"}, "robot.yaml holds no certificate in PEM"),
        "everybody else": ({"access": "everybody"}, "must be all, or common names with what each"),
        "nobody": ({"access": "{}"}, "must be all, or common names with what each"),
        "some": ({"access": "{desk: some}"}, "'desk' must be all, or some of read, write, call"),
        "a verb": ({"access": "{desk: {raed: [/a]}}"}, "unknown key 'raed'; did you mean 'read'?"),
        "no list": ({"access": "{desk: {read: /a}}"}, "must be a list such as [/state]"),
        "no name": ({"access": "{desk: {read: [a]}}"}, "'a' is no full name such as /state"),
        "wild": ({"access": "{desk: {read: ['/**']}}"}, "'/**' is no name of a topic or service"),
    }.values(),
)
def test_a_mistake_in_a_security_file_is_one_line(certificates, changes, message):
    path = write(certificates, "wrong.yaml", **changes)
    with pytest.raises(InputError) as caught:
        read_security(path)
    assert message in str(caught.value) and str(caught.value).startswith(str(path))


def test_a_key_that_others_can_read_is_refused(certificates):
    key = certificates / "robot.key"
    key.chmod(0o640)
    with pytest.raises(InputError, match=f"robot.yaml:3: others can read .*chmod 600 {key}"):
        read_security(certificates / "robot.yaml")
    key.chmod(0o600)
