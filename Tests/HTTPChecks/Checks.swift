import HTTP

/// What must hold for any bytes whatever. Used by tests and by the fuzz target.
public enum Checks {
    /// The first thing that does not hold for `bytes` as requests, nil if all does.
    public static func requests(_ bytes: [UInt8], splits: [[Int]], limits: HTTP1Limits = .init()) -> String? {
        check(bytes, splits) { Transcript.requests($0, splits: $1, limits: limits) }
    }

    /// The same as responses to `answers`.
    public static func responses(
        _ bytes: [UInt8], to answers: [Transcript.Answer], splits: [[Int]], limits: HTTP1Limits = .init()
    ) -> String? {
        check(bytes, splits) { Transcript.responses($0, to: answers, splits: $1, limits: limits) }
    }

    private static func check(
        _ bytes: [UInt8], _ splits: [[Int]], _ decode: ([UInt8], [Int]) -> Transcript
    ) -> String? {
        let whole = decode(bytes, [])
        for places in splits {
            let split = decode(bytes, places)
            if split.lines != whole.lines {
                return
                    "split at \(places):\n\(split.lines.joined(separator: "\n"))\nwhole:\n\(whole.lines.joined(separator: "\n"))"
            }
        }
        return checkStable(whole, decode)
    }

    /// What is sent on is understood by another decoder, and is what that one sends on.
    private static func checkStable(_ first: Transcript, _ decode: ([UInt8], [Int]) -> Transcript) -> String? {
        let second = decode(first.encoded, [])
        if let violation = second.violation {
            return "sent on, then refused (\(violation.kind)): \(String(decoding: first.encoded, as: UTF8.self))"
        }
        if second.messages != first.messages || second.ends != first.ends {
            return "\(first.messages) messages (\(first.ends) ends) sent on, \(second.messages) (\(second.ends)) arrive"
        }
        if second.encoded != first.encoded {
            return "sent on twice: \(String(decoding: first.encoded, as: UTF8.self).debugDescription)\nthen "
                + String(decoding: second.encoded, as: UTF8.self).debugDescription
        }
        return nil
    }
}
