import Loopback
import Testing

/// Everything that needs network namespaces and root. A run without them fails with the reason; nothing is skipped.
///
/// One at a time: many tests load every core, and some measure what a busy machine would blur.
@Suite(.serialized, AloneTrait(last: true), OwnThreadTrait()) struct NodeTests {}
