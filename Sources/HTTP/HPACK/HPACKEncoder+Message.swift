import Buffers

/// What heads are made of (RFC 9113 8.3).
extension HPACKEncoder {
    /// The pseudo-fields of a request.
    @inline(__always) mutating func request(
        _ head: borrowing MessageHead, scheme: HTTP2Session.Scheme, into output: inout OutputBuffer
    ) {
        switch head.method {
        case .get: output.append(0x82)
        case .post: output.append(0x83)
        case .connect:
            output.append(0x02)
            output.appendString("CONNECT")
        default: pseudo(.method, head.methodText, nameIndex: 2, of: head, into: &output)
        }
        if head.method != .connect || !head.protocolName.isNone {
            output.append(scheme == .http ? 0x86 : 0x87)
            path(head, into: &output)
        }
        if !head.authority.isEmpty { pseudo(.authority, head.authority, nameIndex: 1, of: head, into: &output) }
        if head.method == .connect && !head.protocolName.isNone {
            output.append(0x00)
            output.appendString(":protocol")
            output.appendString(head.protocolName, of: head)
        }
    }

    /// Paths do not enter the table: too many are different.
    private func path(_ head: borrowing MessageHead, into output: inout OutputBuffer) {
        let path = head.path
        if path.isEmpty || (path.count == 1 && head.byte(path.lowerBound) == UInt8(ascii: "/")) {
            output.append(0x84)
        } else {
            output.append(head.neverIndexed & PseudoField.path.bit == 0 ? 0x04 : 0x14)
            output.appendString(path, of: head)
        }
    }

    /// The pseudo-field of a response.
    @inline(__always) func status(_ status: Int, into output: inout OutputBuffer) {
        switch status {
        case 200: output.append(0x88)
        case 204: output.append(0x89)
        case 206: output.append(0x8a)
        case 304: output.append(0x8b)
        case 400: output.append(0x8c)
        case 404: output.append(0x8d)
        case 500: output.append(0x8e)
        default:
            output.append(0x08)
            output.append(3)
            output.appendDecimal(min(max(status, 100), 999))
        }
    }

    func contentLength(_ length: Int, into output: inout OutputBuffer) {
        output.appendInteger(28, mask: 0x0f, bits: 0)
        let place = output.count
        output.append(0)
        output.appendDecimal(length)
        output.setByte(UInt8(truncatingIfNeeded: output.count - place - 1), at: place)
    }

    /// The fields that are passed on. `takesTrailers`: TE, too, as far as it speaks of trailers.
    @inline(__always) mutating func fields(
        of head: borrowing MessageHead, takesTrailers: Bool, into output: inout OutputBuffer
    ) {
        var index = 0
        while index < head.fieldCount {
            let field = head.field(index)
            index &+= 1
            if field.isCopied {
                self.field(field, of: head, into: &output)
            } else if field.known == .te && takesTrailers && head.index(of: .te) == index &- 1 {
                te(field, head, into: &output)
            }
        }
    }

    private mutating func te(_ field: HeaderField, _ head: borrowing MessageHead, into output: inout OutputBuffer) {
        guard head.takesTrailers else { return }
        if head.isText(field.value, "trailers") { return self.field(field, of: head, into: &output) }
        output.append(0x00)
        output.appendString("te")
        output.appendString("trailers")
    }
}

extension OutputBuffer {
    /// Puts the header of a frame before what is at `index`.
    mutating func insertFrame(_ length: Int, _ type: UInt8, _ flags: UInt8, _ stream: UInt32, at index: Int) {
        insertGap(HTTP2Frame.headerSize, at: index)
        setFrameLength(length, at: index)
        setByte(type, at: index + 3)
        setByte(flags, at: index + 4)
        for place in 0..<4 {
            setByte(UInt8(truncatingIfNeeded: stream &>> UInt32(24 - 8 * place)), at: index + 5 + place)
        }
    }
}
