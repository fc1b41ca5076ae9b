/// Builds the Prometheus text exposition format 0.0.4. All samples of a family must follow its `family` call.
package struct MetricsText {
    /// The text so far.
    package private(set) var bytes: [UInt8] = []
    private var name = ""

    package init() {}

    package enum Kind: String { case counter, gauge, histogram }

    package typealias Labels = KeyValuePairs<StaticString, String>

    /// Labels that are put together.
    typealias LabelList = [(key: StaticString, value: String)]

    /// Begins a metric family.
    package mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        bytes += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n".utf8
    }

    /// One sample of the family that was begun last.
    package mutating func sample(_ value: Int, _ labels: Labels = [:]) { append(String(value), labels) }

    /// One sample with a fraction.
    package mutating func sample(_ value: Double, _ labels: Labels = [:]) { append("\(value)", labels) }

    /// One sample with labels that were put together.
    mutating func sample(_ value: Int, list: LabelList) { append(String(value), list) }

    /// The samples of a histogram. `buckets` pairs each upper bound with how many fell into its bucket alone; `rest` fell
    /// past the last. `labels`: those of all of them.
    mutating func histogram(
        _ buckets: some Sequence<(bound: Double, count: Int)>, rest: Int, sum: Double, _ labels: LabelList = []
    ) {
        var count = 0
        for bucket in buckets {
            count += bucket.count
            append("\(count)", labels + [("le", "\(bucket.bound)")], suffix: "_bucket")
        }
        count += rest
        append("\(count)", labels + [("le", "+Inf")], suffix: "_bucket")
        append("\(sum)", labels, suffix: "_sum")
        append("\(count)", labels, suffix: "_count")
    }

    private mutating func append(
        _ value: String, _ labels: some Collection<(key: StaticString, value: String)>, suffix: String = ""
    ) {
        bytes += name.utf8
        bytes += suffix.utf8
        if !labels.isEmpty {
            bytes.append(UInt8(ascii: "{"))
            for (index, (key, text)) in labels.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += "\(key)=\"".utf8
                Self.appendEscaped(text, to: &bytes)
                bytes.append(UInt8(ascii: "\""))
            }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes += " \(value)\n".utf8
    }

    /// The format knows three escapes in a label value: backslash, quote and line feed.
    private static func appendEscaped(_ text: String, to bytes: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): bytes += "\\\\".utf8
            case UInt8(ascii: "\""): bytes += "\\\"".utf8
            case UInt8(ascii: "\n"): bytes += "\\n".utf8
            default: bytes.append(byte)
            }
        }
    }
}
