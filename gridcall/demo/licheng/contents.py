"""All reference data of the district, in the order of their adoption."""

from __future__ import annotations

from eventlog.content_codec import encode_content
from events.catalogue import ReferenceAdopted, ReferenceKind
from events.reference_data import AdmissionList, Content, GridMap, Names, Policies, Roster
from events.topology import DECIDER_VERSION
from gridcall.demo.licheng.admission import admission
from gridcall.demo.licheng.grid_map import district_map
from gridcall.demo.licheng.names import district_names
from gridcall.demo.licheng.policies import policies
from gridcall.demo.licheng.roster import roster

VERSION = "licheng-2023"
KINDS: dict[type[Content], ReferenceKind] = {
    GridMap: "map",
    Names: "names",
    Roster: "roster",
    AdmissionList: "admission",
    Policies: "policies",
}


def contents() -> list[tuple[ReferenceAdopted, bytes]]:
    """Return the adoptions in order: decider, map, names, roster, admission, policies."""
    decider = (ReferenceAdopted(kind="decider", name=DECIDER_VERSION, digest=""), b"")
    return [
        decider,
        *(
            adoption(content)
            for content in (district_map(), district_names(), roster(), admission(), policies())
        ),
    ]


def adoption(content: Content) -> tuple[ReferenceAdopted, bytes]:
    """Return the event that adopts a content, and the content's bytes."""
    digest, body = encode_content(content)
    return ReferenceAdopted(kind=KINDS[type(content)], name=VERSION, digest=digest), body
