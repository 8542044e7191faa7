//! What can be wrong with a request, and which code each protocol family reports it with
//! (wire.md section 2, "What our server raises").

use crate::{Code, RpcError};

/// One cause. The text for the peer is fixed: it never repeats what the peer sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    BadBase64,
    BadCompression,
    BadConnectVersion,
    BadMessage,
    BadTimeout,
    BadTripleVersion,
    BodyCutOff,
    CompressedWithoutEncoding,
    DeadlineExceeded,
    MissingConnectVersion,
    MissingMessageParameter,
    NoMessage,
    ReservedFlags,
    SecondMessage,
    TooLarge,
    Truncated,
    UnknownCompression,
    WatchTooOld,
}

/// Which column of the table a protocol reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Family {
    /// gRPC and gRPC-Web.
    Grpc,
    /// Connect and Triple.
    Connect,
}

impl Fault {
    pub(super) fn error(self, family: Family) -> RpcError {
        let (grpc, connect, message) = self.row();
        let code = match family {
            Family::Grpc => grpc,
            Family::Connect => connect,
        };
        RpcError::new(code, message)
    }

    /// The code in gRPC and gRPC-Web, the code in Connect and Triple, the message.
    const fn row(self) -> (Code, Code, &'static str) {
        use Code::{
            DeadlineExceeded as Deadline, Internal, InvalidArgument as Invalid,
            ResourceExhausted as Exhausted, Unavailable, Unimplemented,
        };
        match self {
            Self::BadBase64 => (Internal, Invalid, "the message is not valid base64"),
            Self::BadCompression => (Internal, Invalid, "the message is not valid gzip"),
            Self::BadConnectVersion => {
                (Invalid, Invalid, "the Connect protocol version must be \"1\"")
            }
            Self::BadMessage => (Internal, Invalid, "the message does not parse"),
            Self::BadTimeout => (Invalid, Invalid, "the timeout header is malformed"),
            Self::BadTripleVersion => {
                (Invalid, Invalid, "the Triple protocol version must be \"0.1.0\"")
            }
            Self::BodyCutOff => (Internal, Invalid, "the request body ended early"),
            Self::CompressedWithoutEncoding => {
                (Internal, Internal, "a message is marked as compressed, but no encoding was named")
            }
            Self::DeadlineExceeded => (Deadline, Deadline, "the deadline has passed"),
            Self::MissingConnectVersion => {
                (Invalid, Invalid, "the connect-protocol-version header is missing")
            }
            Self::MissingMessageParameter => {
                (Invalid, Invalid, "the message query parameter is missing")
            }
            Self::NoMessage => (Unimplemented, Unimplemented, "the request has no message"),
            Self::ReservedFlags => {
                (Internal, Internal, "a reserved bit of the envelope flags is set")
            }
            Self::SecondMessage => {
                (Unimplemented, Unimplemented, "the request has more than one message")
            }
            Self::TooLarge => {
                (Exhausted, Exhausted, "the message is larger than this server takes")
            }
            Self::Truncated => (Internal, Invalid, "the request ends inside an envelope"),
            Self::UnknownCompression => (
                Unimplemented,
                Unimplemented,
                "unknown compression: supported are identity and gzip",
            ),
            Self::WatchTooOld => {
                (Unavailable, Unavailable, "a watch does not last longer here: watch again")
            }
        }
    }
}
