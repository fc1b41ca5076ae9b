import Model

/// Writes one connection (or one request) as one line of the access log. Absent values are `null` in JSON and `-` in text.
struct AccessLogLine {
    let names: SlotNames

    func append(_ record: ConnectionRecord, format: Configuration.AccessLog.Format, to bytes: inout [UInt8]) {
        switch format {
        case .json: appendJSON(record, to: &bytes)
        case .text: appendText(record, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    private func appendJSON(_ record: ConnectionRecord, to bytes: inout [UInt8]) {
        var text = JSONText()
        swap(&text.bytes, &bytes)
        text.beginObject()
        text.appendKey("time")
        text.bytes.append(UInt8(ascii: "\""))
        Timestamp.append(unixNanoseconds: record.endedWallNanoseconds, to: &text.bytes)
        text.bytes.append(UInt8(ascii: "\""))
        text.field("generation", record.generation)
        text.field("worker", record.worker)
        text.field("host", host(record.host))
        text.field("pod", name(.pod, record.pod))
        text.field("destinationPod", name(.pod, record.destinationPod))
        text.field("listener", name(.listener, record.listener))
        text.field("direction", record.direction.label)
        text.field("client", record.client.description)
        text.field("originalDestination", record.originalDestination.description)
        text.field("cluster", name(.cluster, record.cluster))
        text.field("endpoint", record.endpoint.known?.description)
        text.field("source", record.source.known?.description)
        text.field("attempts", record.attempts)
        text.field("bytesSent", record.bytesSent)
        text.field("bytesReceived", record.bytesReceived)
        text.appendKey("durationMilliseconds")
        Self.appendMilliseconds(record.durationNanoseconds, to: &text.bytes)
        text.appendKey("connectMilliseconds")
        if record.connectNanoseconds > 0 {
            Self.appendMilliseconds(record.connectNanoseconds, to: &text.bytes)
        } else {
            text.bytes += "null".utf8
        }
        text.field("responseFlag", record.reason.flag)
        text.field("reason", record.reason.label)
        text.field("closedBy", record.closedBy.label)
        text.field("detected", record.spoken?.label)
        text.endObject()
        swap(&text.bytes, &bytes)
    }

    private func appendText(_ record: ConnectionRecord, to bytes: inout [UInt8]) {
        Timestamp.append(unixNanoseconds: record.endedWallNanoseconds, to: &bytes)
        bytes += " \(record.direction.label) \(record.client) -> \(record.originalDestination) ".utf8
        Self.appendText("host", host(record.host), to: &bytes)
        Self.appendText("pod", name(.pod, record.pod), to: &bytes)
        Self.appendText("destinationPod", name(.pod, record.destinationPod), to: &bytes)
        Self.appendText("listener", name(.listener, record.listener), to: &bytes)
        Self.appendText("cluster", name(.cluster, record.cluster), to: &bytes)
        Self.appendText("endpoint", record.endpoint.known?.description, to: &bytes)
        Self.appendText("source", record.source.known?.description, to: &bytes)
        bytes += "attempts=\(record.attempts) sent=\(record.bytesSent) received=\(record.bytesReceived)".utf8
        bytes += " duration=".utf8
        Self.appendMilliseconds(record.durationNanoseconds, to: &bytes)
        bytes += "ms flag=\(record.reason.flag) reason=\(record.reason.label) closedBy=\(record.closedBy.label)".utf8
        bytes += " detected=\(record.spoken?.label ?? "-") worker=\(record.worker)".utf8
        bytes += " generation=\(record.generation)".utf8
    }

    static func appendText(_ key: String, _ value: String?, to bytes: inout [UInt8]) {
        bytes += "\(key)=".utf8
        // A space or a line break in a name must not shift or forge what follows it.
        bytes += (value ?? "-").utf8.map { $0 <= 0x20 || $0 == 0x7f ? UInt8(ascii: "_") : $0 }
        bytes.append(UInt8(ascii: " "))
    }

    /// Milliseconds with three digits after the point.
    static func appendMilliseconds(_ nanoseconds: Int64, to bytes: inout [UInt8]) {
        let microseconds = max(0, nanoseconds) / 1000
        let fraction = String(1000 + microseconds % 1000).dropFirst()
        bytes += "\(microseconds / 1000).\(fraction)".utf8
    }

    func name(_ kind: SlotNames.Kind, _ slot: Int32) -> String? {
        slot < 0 ? nil : names.name(kind, Int(slot))
    }

    /// The protected host on whose behalf it was; nil: this one.
    func host(_ id: UInt16) -> String? { id == 0 ? nil : names.name(.host, Int(id)) }
}

extension ConnectionRecord {
    /// Wall clock of the last close, nanoseconds since 1970.
    var endedWallNanoseconds: Int64 { startedWallNanoseconds &+ durationNanoseconds }
}

extension ConnectionDirection {
    /// As in metrics and logs.
    var label: String {
        switch self {
        case .outbound: "outbound"
        case .inbound: "inbound"
        case .listener: "listener"
        }
    }
}

extension ConnectionRecord.Side {
    /// As in logs.
    var label: String {
        switch self {
        case .client: "client"
        case .upstream: "upstream"
        case .proxy: "proxy"
        }
    }
}

extension SocketAddress {
    /// nil for the port 0 that stands for "none".
    var known: SocketAddress? { port == 0 ? nil : self }
}
