"""Set-up for the tests of forwarded traffic: one lab for each shape, with the pod set up once from a table that has
an entry of every kind, dual-stack."""

import pytest

import shapes
from lab import Lab

TABLE = "".join(
    f"""\
80 tcp {a}
8080 tcp {b} 80
8443 tcp {b} 443
53 tcp {a} 9000   # tcp beside udp on one port
53 udp {b} 5353
7000-7009 tcp {a}
7000-7009 udp {a}
7100-7109 tcp {b} 7200-7209
36412 sctp {a}
"""
    for a, b, _ in (shapes.OUTSIDE4, shapes.OUTSIDE6))
FALLBACKS = f"{shapes.OUTSIDE4[2]}\n{shapes.OUTSIDE6[2]}\n"
RANGES = (7000, 7004, 7009, 7200, 7204, 7209)


def set_up_lab(shape, table):
    lab = Lab(shape)
    try:
        for protocol in ("tcp", "udp"):
            lab.outside.listen(protocol, shapes.OUTSIDE4 + shapes.OUTSIDE6, RANGES)
        lab.router(lab.dual_stack(EGRESS_DESTINATION=table, EGRESS_ADDRESS_PROBE="off"))
    except BaseException:
        lab.close()
        raise
    return lab


def with_each_shape(table):
    """A fixture of module scope, so that one lab stands at a time."""
    @pytest.fixture(scope="module", params=shapes.SHAPES.values(), ids=shapes.SHAPES)
    def lab(request, binaries):
        with set_up_lab(request.param, table) as ready:
            yield ready
    return lab
