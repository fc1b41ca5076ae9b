/// What a complete head says about framing, the connection, and whom it is for (RFC 9112 3.2, 6, 9).
extension HTTP1Decoder {
    /// Why the request is refused, if it is; else sets what the head means.
    mutating func judgeRequest(_ head: inout MessageHead) -> Violation.Kind? {
        if let problem = Self.judgeHost(&head) { return problem }
        var options = ConnectionOptions()
        if head.has(.connection), let problem = options.read(&head, limits, isRepeated: head.isRepeated(.connection)) {
            return problem
        }
        if let problem = readFraming(head) { return problem }
        if framing == .untilClose { framing = .none }
        let hasBody = framing != .none && framing != .length(0)
        if head.method == .connect && hasBody { return .bodyForConnect }
        keepsAlive = !options.close && (head.minorVersion == 1 || options.keepAlive)
        expectsContinue = false
        // HTTP/1.0 has no expectations (RFC 9110 10.1.1), and what is sent on is not HTTP/1.0 any more.
        if head.has(.expect) && head.minorVersion == 0 { head.remove(.expect) }
        if head.has(.expect) && head.minorVersion == 1 {
            guard !head.isRepeated(.expect), head.hasValue(.expect, "100-continue") else { return .unknownExpectation }
            expectsContinue = hasBody
        }
        upgrade =
            options.upgrade && head.has(.upgrade) && !head.isRepeated(.upgrade) && head.minorVersion == 1 && !hasBody
            && head.method != .connect && head.isUpgradeForwarded
        beginBody()
        return nil
    }

    private static func judgeHost(_ head: inout MessageHead) -> Violation.Kind? {
        guard head.has(.host), let host = head.value(.host) else { return head.minorVersion == 0 ? nil : .missingHost }
        if head.isRepeated(.host) { return .repeatedHost }
        if !host.isEmpty && !Authority.isValid(head.bytes(host)) { return .invalidHost }
        // A target's own authority wins (RFC 9112 3.2.2).
        if head.authority.isNone { head.authority = host }
        return nil
    }

    /// Why the response is refused, if it is; else sets what the head means.
    mutating func judgeResponse(_ head: inout MessageHead) -> Violation.Kind? {
        var options = ConnectionOptions()
        if head.has(.connection), let problem = options.read(&head, limits, isRepeated: head.isRepeated(.connection)) {
            return problem
        }
        if let problem = readFraming(head) { return problem }
        let isInterim = head.status < 200
        if isInterim {
            interimResponses += 1
            if interimResponses > limits.interimResponses { return .tooManyInterimResponses }
        }
        if head.status == 101 && !request.isUpgrade { return .unexpectedUpgrade }
        upgrade = head.status == 101
        let isTunnel = upgrade || (request.isConnect && head.status / 100 == 2)
        // RFC 9112 6.3: these end with the head, whatever it says.
        if isTunnel || isInterim || request.isHead || head.status == 204 || head.status == 304 { framing = .none }
        keepsAlive =
            !options.close && (head.minorVersion == 1 || options.keepAlive) && framing != .untilClose && !isTunnel
        if isTunnel {
            state = .tunnel
        } else if isInterim {
            state = .startLine
        } else {
            beginBody()
        }
        return nil
    }

    /// Length or chunks. Neither: `untilClose`, which for a request means none.
    private mutating func readFraming(_ head: borrowing MessageHead) -> Violation.Kind? {
        framing = .untilClose
        guard head.has(.transferEncoding) || head.has(.contentLength) else { return nil }
        if head.has(.transferEncoding) {
            if head.has(.contentLength) { return .lengthAndTransferEncoding }
            if head.minorVersion == 0 { return .transferEncodingInHTTP10 }
            framing = .chunked
            return head.isRepeated(.transferEncoding) ? .invalidTransferEncoding : head.transferEncodingProblem
        }
        if head.isRepeated(.contentLength) { return .repeatedLength }
        guard let length = head.contentLength else { return .invalidLength }
        if length > limits.bodyBytes { return .bodyTooLarge }
        framing = .length(length)
        return nil
    }

    private mutating func beginBody() {
        (bodyBytes, extensionBytes) = (0, 0)
        switch framing {
        case .none, .length(0): state = .finished
        case .length(let length):
            remaining = length
            state = .length
        case .chunked: state = .chunkLine
        case .untilClose: state = .untilClose
        }
    }
}

extension MessageHead {
    /// The value of Content-Length: digits, as many as an Int holds for sure.
    var contentLength: Int? {
        guard let value = value(.contentLength), value.count > 0 && value.count <= 18 else { return nil }
        let digits = bytes(value)
        var length = 0
        for index in digits.indices {
            guard digits[index].isDigit else { return nil }
            length = length * 10 + Int(digits[index] - 0x30)
        }
        return length
    }

    /// Nothing if Transfer-Encoding is `chunked`. Another coding below it is one we do not have; anything else has no end.
    fileprivate var transferEncodingProblem: Violation.Kind? {
        if hasValue(.transferEncoding, "chunked") { return nil }
        guard let value = value(.transferEncoding) else { return .invalidTransferEncoding }
        var list = ListReader(value)
        var codings = 0
        var chunked = 0
        var isLastChunked = false
        while let coding = list.next(self) {
            guard isToken(coding) else { return .invalidTransferEncoding }
            isLastChunked = isText(coding, "chunked")
            codings += 1
            chunked += isLastChunked ? 1 : 0
        }
        return isLastChunked && chunked == 1 && codings > 1 ? .unsupportedTransferEncoding : .invalidTransferEncoding
    }

    /// Whether the protocol that Upgrade names is one to be forwarded. Not h2c: its requests would go past the routes.
    fileprivate var isUpgradeForwarded: Bool {
        guard let value = value(.upgrade), !value.isEmpty else { return false }
        var list = ListReader(value)
        while let name = list.next(self) {
            if isText(name, "h2c") || isText(name, "h2") { return false }
        }
        return true
    }
}
