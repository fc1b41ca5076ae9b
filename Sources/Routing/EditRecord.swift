import HTTP
import Model

/// One change of a head.
struct EditRecord: Sendable, BitwiseCopyable {
    enum Operation: UInt8, BitwiseCopyable { case remove, set, add }
    var operation: Operation
    /// `other` for names that the codec does not know.
    var known: HeaderName
    var name: IndexRange
    /// In `RouteView.parts`.
    var parts: IndexRange
    /// No value is longer, bytes.
    var valueBytesMax: Int32
}

/// A piece of a value: a text, or a variable.
struct EditPart: Sendable, BitwiseCopyable {
    var text: IndexRange
    var variable: HeaderTemplate.Variable?
}

/// Whom a filter is for.
struct FilterMatch: Sendable, BitwiseCopyable {
    var match: MatchRecord
    /// Everybody.
    var isAny: Bool
}

/// Names by slot, as texts.
struct NameView: Sendable, BitwiseCopyable {
    var pods, clusters, listeners, routes: RecordView<IndexRange>
    var host: IndexRange
}
