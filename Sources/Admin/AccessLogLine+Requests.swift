import Model

extension AccessLogLine {
    /// Writes one request as one line, whatever bytes its texts hold. A JSON line of a request has a `method`, that of a
    /// connection has none.
    func append(_ entry: RequestLogEntry, format: Configuration.AccessLog.Format, to bytes: inout [UInt8]) {
        switch format {
        case .json: appendJSON(entry, to: &bytes)
        case .text: appendText(entry, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    private func appendJSON(_ entry: RequestLogEntry, to bytes: inout [UInt8]) {
        let record = entry.record
        var text = JSONText()
        swap(&text.bytes, &bytes)
        text.beginObject()
        text.appendKey("time")
        text.bytes.append(UInt8(ascii: "\""))
        Timestamp.append(unixNanoseconds: record.endedWallNanoseconds, to: &text.bytes)
        text.bytes.append(UInt8(ascii: "\""))
        text.field("method", peer: entry.method)
        text.field("authority", peer: entry.authority)
        text.field("path", peer: entry.path)
        text.field("protocol", record.version.label)
        text.field("status", record.status == 0 ? nil : Int(record.status))
        text.field("grpcStatus", record.grpcStatus < 0 ? nil : Int(record.grpcStatus))
        text.field("responseFlags", record.flags.letters)
        text.field("reasons", record.flags.labels)
        text.field("detail", peer: entry.detail)
        text.milliseconds("durationMilliseconds", record.durationNanoseconds)
        text.milliseconds("firstByteMilliseconds", record.upstreamFirstByteNanoseconds, absent: 0)
        text.milliseconds("upstreamMilliseconds", record.upstreamNanoseconds, absent: 0)
        text.field("bytesSent", record.bytesSent)
        text.field("bytesReceived", record.bytesReceived)
        appendPlaces(record, to: &text)
        text.field("attempts", record.attempts)
        text.field("timeouts", record.timeouts)
        text.field("requestId", peer: entry.requestID)
        text.field("worker", record.worker)
        text.field("generation", record.generation)
        text.endObject()
        swap(&text.bytes, &bytes)
    }

    /// Who took part in it.
    private func appendPlaces(_ record: RequestRecord, to text: inout JSONText) {
        text.field("host", host(record.host))
        text.field("pod", name(.pod, record.pod))
        text.field("destinationPod", name(.pod, record.destinationPod))
        text.field("route", name(.route, record.route))
        text.field("inboundRoute", name(.route, record.inboundRoute))
        text.field("cluster", name(.cluster, record.cluster))
        text.field("endpoint", record.endpoint.known?.description)
        text.field("source", record.source.known?.description)
        text.field("listener", name(.listener, record.listener))
        text.field("direction", record.direction.label)
        text.field("client", record.client.description)
        text.field("originalDestination", record.originalDestination.description)
    }

    private func appendText(_ entry: RequestLogEntry, to bytes: inout [UInt8]) {
        let record = entry.record
        Timestamp.append(unixNanoseconds: record.endedWallNanoseconds, to: &bytes)
        bytes += " \(record.direction.label) \(record.client) -> \(record.originalDestination) \"".utf8
        PeerText.appendEscaped(entry.method.isEmpty ? [UInt8(ascii: "-")] : entry.method, to: &bytes)
        bytes.append(UInt8(ascii: " "))
        PeerText.appendEscaped(entry.path.isEmpty ? [UInt8(ascii: "-")] : entry.path, to: &bytes)
        bytes += " \(record.version.label)\" \(record.status == 0 ? "-" : String(record.status)) authority=".utf8
        PeerText.appendQuoted(entry.authority, to: &bytes)
        if record.grpcStatus >= 0 { bytes += " grpcStatus=\(record.grpcStatus)".utf8 }
        bytes += " flags=\(record.flags.letters) detail=".utf8
        PeerText.appendQuoted(entry.detail, to: &bytes)
        bytes.append(UInt8(ascii: " "))
        Self.appendText("host", host(record.host), to: &bytes)
        Self.appendText("pod", name(.pod, record.pod), to: &bytes)
        Self.appendText("destinationPod", name(.pod, record.destinationPod), to: &bytes)
        Self.appendText("listener", name(.listener, record.listener), to: &bytes)
        Self.appendText("route", name(.route, record.route), to: &bytes)
        Self.appendText("inboundRoute", name(.route, record.inboundRoute), to: &bytes)
        Self.appendText("cluster", name(.cluster, record.cluster), to: &bytes)
        Self.appendText("endpoint", record.endpoint.known?.description, to: &bytes)
        Self.appendText("source", record.source.known?.description, to: &bytes)
        bytes += "attempts=\(record.attempts) timeouts=\(record.timeouts)".utf8
        bytes += " sent=\(record.bytesSent) received=\(record.bytesReceived)".utf8
        Self.appendTime(" duration=", record.durationNanoseconds, to: &bytes)
        Self.appendTime(" firstByte=", record.upstreamFirstByteNanoseconds, absent: 0, to: &bytes)
        Self.appendTime(" upstream=", record.upstreamNanoseconds, absent: 0, to: &bytes)
        bytes += " requestId=".utf8
        PeerText.appendQuoted(entry.requestID, to: &bytes)
        bytes += " worker=\(record.worker) generation=\(record.generation)".utf8
    }

    private static func appendTime(
        _ key: String, _ nanoseconds: Int64, absent: Int64? = nil, to bytes: inout [UInt8]
    ) {
        bytes += key.utf8
        guard nanoseconds != absent else { return bytes.append(UInt8(ascii: "-")) }
        appendMilliseconds(nanoseconds, to: &bytes)
        bytes += "ms".utf8
    }
}

extension JSONText {
    /// A field with text that a peer chose; `null` where there is none.
    fileprivate mutating func field(_ key: StaticString, peer text: ArraySlice<UInt8>) {
        appendKey(key)
        if text.isEmpty { bytes += "null".utf8 } else { PeerText.appendJSON(text, to: &bytes) }
    }

    fileprivate mutating func field(_ key: StaticString, _ value: Int?) {
        appendKey(key)
        bytes += (value.map(String.init) ?? "null").utf8
    }

    fileprivate mutating func milliseconds(_ key: StaticString, _ nanoseconds: Int64, absent: Int64? = nil) {
        appendKey(key)
        guard nanoseconds != absent else { return bytes += "null".utf8 }
        AccessLogLine.appendMilliseconds(nanoseconds, to: &bytes)
    }
}

extension RequestRecord {
    /// Wall clock of the end, nanoseconds since 1970.
    var endedWallNanoseconds: Int64 { startedWallNanoseconds &+ durationNanoseconds }
}

extension RequestFlags {
    /// `UF,URX`; `-` when there is none.
    var letters: String { joined(\.letters) ?? "-" }

    /// `connect_failed,retry_limit`; `completed` when there is none.
    var labels: String { joined(\.label) ?? "completed" }

    private func joined(_ word: KeyPath<RequestFlag, String>) -> String? {
        var text: String?
        forEach { text = (text.map { $0 + "," } ?? "") + $0[keyPath: word] }
        return text
    }
}
