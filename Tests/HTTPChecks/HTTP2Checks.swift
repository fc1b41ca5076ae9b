import Buffers
import HTTP

/// What must hold for any bytes that a session or its field coding reads. Used by tests and by the fuzz targets.
public enum HTTP2Checks {
    /// The first thing that does not hold, nil if all does: the same events and the same answers however the bytes are split.
    public static func session(
        _ role: HTTP2Session.Role, _ bytes: [UInt8], splits: [[Int]], limits: HTTP2Limits = .init()
    ) -> String? {
        let whole = HTTP2Transcript(role, bytes, limits: limits)
        for places in splits {
            let split = HTTP2Transcript(role, bytes, splits: places, limits: limits)
            if split != whole {
                return "split at \(places):\n\(split.lines.joined(separator: "\n"))\n\(describe(split))\nwhole:\n"
                    + "\(whole.lines.joined(separator: "\n"))\n\(describe(whole))"
            }
        }
        return nil
    }

    private static func describe(_ transcript: HTTP2Transcript) -> String {
        "\(HTTP2Bytes.describe(transcript.output)), \(transcript.streams) streams"
    }

    /// The blocks are requests, one after the other. What is understood of one is sent on and understood as the same, with
    /// tables that grow on both connections.
    public static func blocks(_ blocks: [[UInt8]]) -> String? {
        var first = HTTP2Session(.server)
        var second = HTTP2Session(.server)
        var client = HTTP2Session(.client)
        var head = MessageHead()
        var wire = OutputBuffer()
        var ignored = OutputBuffer()
        _ = feed(&first, HTTP2Bytes.clientStart, &head, &ignored)
        client.start(into: &wire)
        var stream: UInt32 = 1
        for block in blocks {
            let bytes = HTTP2Bytes.headers(stream, Array(block.prefix(16384)))
            stream += 2
            guard let understood = feed(&first, bytes, &head, &ignored) else { continue }
            guard let id = client.open(tag: 0) else { return "no stream for \(understood)" }
            client.sendRequest(head, on: id, framing: .none, isEnd: true, into: &wire)
            client.reset(id, .cancel, into: &wire)
            let again = feed(&second, unsafe wire.withBytes { unsafe Array($0) }, &head, &ignored)
            wire.removeAll()
            if let problem = compare(understood, again, head) { return problem }
        }
        return nil
    }

    /// What was sent on loses what belongs to a hop, and lengths, which framing says.
    private static func compare(_ understood: String, _ again: String?, _ head: borrowing MessageHead) -> String? {
        guard let again else { return "sent on, then refused: \(understood)" }
        return again == understood ? nil : "sent on: \(understood)\narrives: \(again)"
    }

    /// The last head in the bytes, in words, without what is not sent on. Nil: there is none.
    private static func feed(
        _ session: inout HTTP2Session, _ bytes: [UInt8], _ head: inout MessageHead, _ output: inout OutputBuffer
    ) -> String? {
        var (start, found): (Int, String?) = (0, nil)
        while true {
            let event = session.next(
                bytes.span.extracting(start...), head: &head, output: &output, now: 1)
            start += event.consumedCount
            switch event {
            case .head(_, let stream, _, _, _):
                for name in [HeaderName.contentLength, .host, .te, .http2Settings, .upgrade] { head.remove(name) }
                found = HTTP2Transcript.describe(head)
                session.reset(stream, .cancel, into: &output)
                output.removeAll()
            case .needMoreBytes: return found
            case .violation: return nil
            default: break
            }
            // Only the last head stays as it was.
            if found != nil && start == bytes.count { return found }
        }
    }
}
