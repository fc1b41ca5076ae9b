import HTTP
import Model

// MARK: changes of heads

extension RouteView {
    /// Changes a request's head as the rule says: path, host, then header fields. Once per exchange: `add` would add
    /// again. The head grows by what the configuration says and nothing else.
    public func rewriteRequest(_ rule: RuleRecord, _ head: inout MessageHead, _ variables: RequestVariables) {
        guard rule.hasRequestEdits else { return }
        // A variable shows the request as it came.
        let id = usesRequestId(rule.requestEdits) ? RequestIdText(head) : RequestIdText()
        if rule.path.kind != .none, !head.path.isNone { rewritePath(rule.path, &head) }
        if !rule.host.isEmpty {
            // The texts live as long as the tables.
            let host = unsafe texts.bytes(rule.host)
            unsafe head.setAuthority(Span(_unsafeElements: host))
        }
        apply(rule.requestEdits, &head, variables, id)
    }

    /// Changes a response's head as the rule says. `%request_id%` is what `variables` took from the request.
    public func rewriteResponse(_ rule: RuleRecord, _ head: inout MessageHead, _ variables: RequestVariables) {
        guard rule.hasResponseEdits else { return }
        apply(rule.responseEdits, &head, variables, variables.requestIdText)
    }

    /// Whether a template asks for the request's id, which is no little thing to keep.
    private func usesRequestId(_ range: IndexRange) -> Bool {
        for index in range.indices {
            for part in edits[index].parts.indices where parts[part].variable == .requestId { return true }
        }
        return false
    }

    private func rewritePath(_ edit: PathEdit, _ head: inout MessageHead) {
        let target = head.path
        let request = Request(head)
        // Checked by the match; a path that is shorter than the prefix would be somebody else's.
        guard edit.kind == .whole || edit.matchedBytes <= request.path.count else { return }
        let bytesMax = Int(edit.text.count) + Int(target.count) + 1
        // Lent for this call.
        unsafe withMemory(bytesMax) { memory in
            var writer = unsafe ValueWriter(memory)
            writePath(edit, head, &writer)
            // As many as were written.
            let path = unsafe UnsafeBufferPointer(rebasing: memory[..<writer.count])
            unsafe head.setPath(Span(_unsafeElements: path))
        }
    }

    /// The changed path, and the query as it is. Where the old rest meets the new prefix there is one slash.
    func writePath(_ edit: PathEdit, _ head: borrowing MessageHead, _ writer: inout ValueWriter) {
        let request = Request(head)
        let path = head.bytes(request.path)
        let text = texts.slice(edit.text)
        writer.append(text)
        if edit.kind == .prefix {
            var rest = min(Int(edit.matchedBytes), path.count)
            let endsInSlash = text.count > 0 && text[text.count - 1] == UInt8(ascii: "/")
            if endsInSlash, rest < path.count, path[rest] == UInt8(ascii: "/") { rest += 1 }
            if edit.matchedSlash, !endsInSlash, rest < path.count, path[rest] != UInt8(ascii: "/") {
                writer.append(UInt8(ascii: "/"))
            }
            for place in rest..<path.count { writer.append(path[place]) }
        }
        guard !request.query.isNone else { return }
        let query = head.bytes(request.query)
        writer.append(UInt8(ascii: "?"))
        for place in query.indices { writer.append(query[place]) }
    }

    private func apply(
        _ range: IndexRange, _ head: inout MessageHead, _ variables: RequestVariables, _ id: RequestIdText
    ) {
        for index in range.indices {
            let edit = edits[index]
            if edit.operation != .add { remove(edit, &head) }
            if edit.operation == .remove { continue }
            if edit.parts.count == 1, parts[Int(edit.parts.lower)].variable == nil {
                // The texts live as long as the tables.
                let value = unsafe texts.bytes(parts[Int(edit.parts.lower)].text)
                unsafe append(edit, Span(_unsafeElements: value), &head)
                continue
            }
            // Lent for this call.
            unsafe withMemory(Int(edit.valueBytesMax)) { memory in
                var writer = unsafe ValueWriter(memory)
                for part in edit.parts.indices { write(parts[part], variables, id, &writer) }
                // As many as were written.
                let value = unsafe UnsafeBufferPointer(rebasing: memory[..<writer.count])
                unsafe append(edit, Span(_unsafeElements: value), &head)
            }
        }
    }

    private func remove(_ edit: EditRecord, _ head: inout MessageHead) {
        if edit.known != .other {
            head.remove(edit.known)
        } else {
            // The texts live as long as the tables.
            let name = unsafe texts.bytes(edit.name)
            unsafe head.remove(named: Span(_unsafeElements: name))
        }
    }

    private func append(_ edit: EditRecord, _ value: borrowing Span<UInt8>, _ head: inout MessageHead) {
        if edit.known != .other {
            head.append(edit.known, copy value)
        } else {
            // The texts live as long as the tables.
            let name = unsafe texts.bytes(edit.name)
            unsafe head.append(Span(_unsafeElements: name), copy value)
        }
    }

    private func write(
        _ part: EditPart, _ variables: RequestVariables, _ id: RequestIdText, _ writer: inout ValueWriter
    ) {
        switch part.variable {
        case nil: writer.append(texts.slice(part.text))
        case .pod: write(names.pods, variables.pod, &writer)
        case .destinationPod: write(names.pods, variables.destinationPod, &writer)
        case .cluster: write(names.clusters, variables.cluster, &writer)
        case .listener: write(names.listeners, variables.listener, &writer)
        case .route: write(names.routes, variables.route, &writer)
        case .host: writer.append(texts.slice(names.host))
        case .sourceAddress: writer.append(variables.client.address)
        case .sourcePort: writer.appendDecimal(UInt32(variables.client.port))
        case .originalDestination: writer.append(variables.originalDestination)
        case .requestId:
            if id.count > 0 {
                for place in 0..<id.count { writer.append(id[place]) }
            } else if let made = variables.requestId {
                writer.append(made)
            } else {
                writer.appendAbsent()
            }
        }
    }

    private func write(_ names: RecordView<IndexRange>, _ slot: Int32, _ writer: inout ValueWriter) {
        guard slot >= 0, Int(slot) < names.count, !names[Int(slot)].isEmpty else { return writer.appendAbsent() }
        writer.append(texts.slice(names[Int(slot)]))
    }

    /// Memory for one value: on the stack for what nearly all values need.
    private func withMemory(_ bytesMax: Int, _ body: (UnsafeMutableBufferPointer<UInt8>) -> Void) {
        if bytesMax <= Self.stackBytesMax {
            unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.stackBytesMax, body)
        } else {
            unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: bytesMax, body)
        }
    }

    /// More than this the standard library takes from the heap.
    private static let stackBytesMax = 1024
}
