"""Nodes, edges, rename, xattrs, ACLs, orphans."""

from sqlfs.namespace import clock
from sqlfs.namespace.acl import ACL_NAMES
from sqlfs.namespace.edges import Edge, EdgeTable, stand_in
from sqlfs.namespace.names import check_name, check_owner, check_stored_name, check_target
from sqlfs.namespace.node_acls import NodeAcls
from sqlfs.namespace.nodes import NodeTable
from sqlfs.namespace.records import NodeRecord, decode_node, encode_node
from sqlfs.namespace.rows import VolumeRows
from sqlfs.namespace.tree import Renamed, Tree
from sqlfs.namespace.xattrs import XattrTable, check_stored_xattr

__all__ = [
    "ACL_NAMES",
    "Edge",
    "EdgeTable",
    "NodeAcls",
    "NodeRecord",
    "NodeTable",
    "Renamed",
    "Tree",
    "VolumeRows",
    "XattrTable",
    "check_name",
    "check_owner",
    "check_stored_name",
    "check_stored_xattr",
    "check_target",
    "clock",
    "decode_node",
    "encode_node",
    "stand_in",
]
