//! What a server is to its ensemble, with what only that role has. A change of role consumes the old
//! one.
//!
//! | from | to | when |
//! |---|---|---|
//! | looking | leading, learning | elected |
//! | leading, learning | looking | the term is over |

use crate::peer::leading::Leading;
use crate::peer::learning::Learning;
use crate::peer::looking::Looking;
use crate::peer::pipeline::Pipeline;

#[derive(Debug)]
pub(super) enum Role {
    /// No ensemble: what is durable here is committed.
    Standalone(Box<Pipeline>),
    /// No leader, or none yet.
    Looking(Looking),
    Leading(Box<Leading>),
    /// Follower or observer.
    Learning(Box<Learning>),
}

impl Role {
    /// The writes on their way, on a server that prepares them.
    pub(super) fn pipeline(&self) -> Option<&Pipeline> {
        match self {
            Self::Standalone(pipeline) => Some(pipeline),
            Self::Leading(role) => role.pipeline.as_ref(),
            Self::Looking(_) | Self::Learning(_) => None,
        }
    }
}
