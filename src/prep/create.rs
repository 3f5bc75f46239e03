//! `create`, `create2`, `createContainer`, `createTTL`.

use jute::data::StatPersisted;

use crate::base::{AclList, perms};
use crate::prep::overlay::PendingNode;
use crate::prep::step::{Step, parent_of, validate};
use crate::proto::request::Create;
use crate::proto::txn::{CreateKind, CreateTxn};
use crate::proto::{ErrorCode, MultiOp, Op, WriteRequest};
use crate::tree::{CONTAINER_OWNER, Owner, ttl_owner};

/// The longest time to live: five bytes of milliseconds.
const TTL_MS_MAX: i64 = 0xff_ffff_ffff;

/// What the flags of a creation say, by `CreateMode`.
#[derive(Debug, Clone, Copy)]
struct Mode {
    ephemeral: bool,
    sequential: bool,
    ttl: bool,
}

impl Mode {
    fn from_flags(flags: i32) -> Option<Self> {
        (0..=6).contains(&flags).then_some(Self {
            ephemeral: matches!(flags, 1 | 3),
            sequential: matches!(flags, 2 | 3 | 6),
            ttl: matches!(flags, 5 | 6),
        })
    }
}

/// Whether all servers must know the session of who asks this, as
/// `QuorumZooKeeperServer.checkUpgradeSession`: it makes an ephemeral node by `create` or `create2`.
/// What stands behind a part of a multi that cannot be done is not looked at.
pub fn wants_global_session(request: &WriteRequest) -> bool {
    let mode_of = |create: &Create| {
        let decides = matches!(create.op, Op::Create | Op::Create2);
        decides.then(|| Mode::from_flags(create.flags))
    };
    match request {
        WriteRequest::Create(create) => {
            mode_of(create).flatten().is_some_and(|mode| mode.ephemeral)
        }
        WriteRequest::Multi(ops) => {
            let creates = ops.iter().filter_map(|op| match op {
                MultiOp::Create(create) => mode_of(create),
                _ => None,
            });
            let known = creates.map_while(|mode| mode);
            known.into_iter().any(|mode| mode.ephemeral)
        }
        _ => false,
    }
}

impl Step<'_> {
    pub(super) fn create(&mut self, request: Create) -> Result<CreateTxn, ErrorCode> {
        let mode = Mode::from_flags(request.flags).ok_or(ErrorCode::BadArguments)?;
        self.check_ttl(&request, mode)?;
        if mode.ephemeral {
            self.caller.ephemerals?;
        } else {
            self.caller.standing?;
        }
        let parent_path = parent_of(&request.path)?;
        let acl = self
            .policy
            .fix_acl(self.caller.ids, request.acl.as_deref())?;
        let parent = self.node(parent_path)?;
        self.permit(&parent, perms::CREATE)?;
        let path = named(&request.path, mode, &parent);
        validate(&path)?;
        if self.overlay.exists(self.tree, &path) {
            return Err(ErrorCode::NodeExists);
        }
        if matches!(parent.owner, Owner::Ephemeral(_)) {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let data = request.data;
        self.check_quota(&path, data.as_deref().map_or(0, <[u8]>::len), 0, 1)?;

        let txn = CreateTxn {
            kind: kind_of(request.op, mode, request.ttl),
            path,
            data,
            acl: Some(acl.clone()),
            parent_cversion: parent.stat.cversion.wrapping_add(1),
        };
        self.take_room(txn.body_len())?;
        self.add_child(parent_path, parent, txn.parent_cversion);
        self.add_node(&txn.path, txn.kind, acl, txn.data.as_deref());
        Ok(txn)
    }

    fn check_ttl(&self, request: &Create, mode: Mode) -> Result<(), ErrorCode> {
        if mode.ttl && !self.options.tree.extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        let is_right = if mode.ttl {
            (1..=TTL_MS_MAX).contains(&request.ttl)
        } else {
            // Apache lets `createTTL` pass here with another mode and a negative time, and stops
            // when it applies that.
            request.ttl < 0 && request.op != Op::CreateTtl
        };
        if is_right {
            Ok(())
        } else {
            Err(ErrorCode::BadArguments)
        }
    }

    /// The tree takes the counter and the zxid only while the counter rises. After its last
    /// positive value it stays there, and the next sequential name exists already.
    fn add_child(&mut self, path: &str, mut parent: PendingNode, cversion: i32) {
        if cversion > parent.stat.cversion {
            parent.stat.cversion = cversion;
            parent.stat.pzxid = self.zxid.0;
        }
        parent.child_count += 1;
        self.overlay.update(path, self.zxid, parent);
    }

    fn add_node(&mut self, path: &str, kind: CreateKind, acl: AclList, data: Option<&[u8]>) {
        let session = self.caller.session;
        let (owner, ephemeral_owner) = match kind {
            CreateKind::Plain { ephemeral, .. } if ephemeral => {
                (Owner::Ephemeral(session), session.0)
            }
            CreateKind::Plain { .. } => (Owner::Persistent, 0),
            CreateKind::Container => (Owner::Container, CONTAINER_OWNER),
            CreateKind::Ttl { ttl_ms } => (Owner::Ttl(ttl_ms), ttl_owner(ttl_ms)),
        };
        let stat = StatPersisted {
            czxid: self.zxid.0,
            mzxid: self.zxid.0,
            ctime: self.time.0,
            mtime: self.time.0,
            ephemeral_owner,
            pzxid: self.zxid.0,
            ..StatPersisted::default()
        };
        self.overlay
            .create(path, self.zxid, (owner, stat), acl, data);
    }
}

/// The final name: a sequential one ends in the parent's counter, ten characters wide with its
/// sign.
fn named(requested: &str, mode: Mode, parent: &PendingNode) -> Box<str> {
    if mode.sequential {
        format!("{requested}{:010}", parent.stat.cversion).into()
    } else {
        requested.into()
    }
}

/// The operation decides over the flags: 1 and 15 with the container flag make a persistent node,
/// 19 makes a container whatever the flags.
fn kind_of(op: Op, mode: Mode, ttl_ms: i64) -> CreateKind {
    match op {
        Op::CreateContainer => CreateKind::Container,
        Op::CreateTtl => CreateKind::Ttl { ttl_ms },
        _ => CreateKind::Plain {
            op_is_create2: op == Op::Create2,
            ephemeral: mode.ephemeral,
        },
    }
}
