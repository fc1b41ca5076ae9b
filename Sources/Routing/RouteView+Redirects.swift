import Buffers
import HTTP
import Model

// MARK: redirects

extension RouteView {
    /// Writes the value of `location` for a rule that redirects: a path where only the path changes, else all of the
    /// address. The query stays.
    public func redirectLocation(
        _ rule: RuleRecord, _ head: borrowing MessageHead, isTLS: Bool, into output: inout OutputBuffer
    ) {
        let authority = head.bytes(head.authority)
        if !rule.host.isEmpty || !rule.scheme.isEmpty, !rule.host.isEmpty || authority.count > 0 {
            appendScheme(rule, isTLS: isTLS, &output)
            if rule.host.isEmpty {
                // The port was that of the other scheme.
                let count = Self.hostBytes(authority)
                for place in 0..<count { output.append(authority[place]) }
            } else {
                append(rule.host, &output)
            }
        }
        appendPath(rule, head, &output)
    }

    private func appendScheme(_ rule: RuleRecord, isTLS: Bool, _ output: inout OutputBuffer) {
        if rule.scheme.isEmpty {
            output.append(isTLS ? "https" : "http" as StaticString)
        } else {
            append(rule.scheme, &output)
        }
        output.append("://" as StaticString)
    }

    private func appendPath(_ rule: RuleRecord, _ head: borrowing MessageHead, _ output: inout OutputBuffer) {
        let capacity = Int(rule.path.text.count) + Int(head.path.count) + 1
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: capacity) { memory in
            // Lent for this call.
            var writer = unsafe ValueWriter(memory)
            if rule.path.kind == .none {
                let path = head.bytes(head.path)
                for place in path.indices { writer.append(path[place]) }
            } else {
                writePath(rule.path, head, &writer)
            }
            output.append(UInt8(ascii: "/"))
            // `//host` and `/\host` would send a browser to whatever host a client has put into the path.
            var place = 0
            // As many as were written.
            while place < writer.count, unsafe memory[place] == UInt8(ascii: "/") || memory[place] == UInt8(ascii: "\\")
            {
                place += 1
            }
            while place < writer.count {
                // In bounds by the line above.
                output.append(unsafe memory[place])
                place += 1
            }
        }
    }

    private func append(_ text: IndexRange, _ output: inout OutputBuffer) {
        let bytes = texts.slice(text)
        for place in bytes.indices { output.append(bytes[place]) }
    }

    /// `host[:port]` without the port.
    private static func hostBytes(_ authority: borrowing Span<UInt8>) -> Int {
        var place = authority.count
        while place > 0, authority[place - 1] &- 0x30 < 10 { place -= 1 }
        return place > 0 && authority[place - 1] == UInt8(ascii: ":") ? place - 1 : authority.count
    }
}
