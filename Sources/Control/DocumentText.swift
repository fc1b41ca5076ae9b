/// A document's bytes, checked and prepared for the YAML parser.
///
/// Two things about Yams decide what happens here. It resolves an alias by copying the tree, and compares mapping keys
/// by their whole tree, so nested aliases in a key take exponential time before we see anything. And it throws at the
/// first duplicate key, which would hide every other problem. Both are avoided by *masking*: a character is replaced
/// by one from the private-use area, one for one, so that positions stay true, and `unmask` puts it back in the
/// scalars that come out. Masked aliases arrive as plain scalars and are resolved by `TreeBuilder`; a masked duplicate
/// is a different key to Yams and the same key again to us.
struct DocumentText {
    /// Valid UTF-8 without control characters, masked.
    private(set) var bytes: [UInt8]
    /// The characters behind key masks, by mask number.
    private var maskedKeys: [UInt8] = []

    private static let firstKeyMask: UInt32 = 0xE000
    private static let aliasMask: Unicode.Scalar = "\u{F8FF}"

    /// Checks `bytes` and masks aliases; nil after reporting what the parser could not read.
    init?(_ bytes: some Collection<UInt8>, problems: ProblemCollector) {
        guard bytes.count <= DocumentLimits.bytesMax else {
            let limit = DocumentLimits.bytesMax >> 20
            problems.add(
                "the file is too large: \(bytes.count) bytes, expected at most \(limit) MiB",
                at: Position(line: 1, column: 1))
            return nil
        }
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let text = bytes.starts(with: byteOrderMark) ? Array(bytes.dropFirst(3)) : Array(bytes)
        if let (position, message) = Self.firstUnreadable(text) {
            problems.add(message, at: position)
            return nil
        }
        self.bytes = Self.maskingAliases(text)
    }

    /// The text to parse.
    var masked: String { String(decoding: bytes, as: UTF8.self) }

    /// The alias name when `text`, a plain scalar, stands where the document has `*name`.
    func aliasName(_ text: String) -> String? {
        guard text.unicodeScalars.first == Self.aliasMask else { return nil }
        return String(text.unicodeScalars.dropFirst())
    }

    /// The scalar as the document has it.
    func unmask(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == 0xEE || $0 == 0xEF }) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let number = Int(scalar.value) - Int(Self.firstKeyMask)
            if scalar == Self.aliasMask {
                result.append("*")
            } else if maskedKeys.indices.contains(number) {
                result.append(Unicode.Scalar(maskedKeys[number]))
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }

    /// Makes the mapping key at `position` different from all others; false when it is not a simple key that starts
    /// with a letter, or enough keys have been masked.
    mutating func maskKey(at position: Position) -> Bool {
        guard maskedKeys.count < DocumentLimits.duplicateKeysMax, var index = offset(of: position) else { return false }
        if bytes[index] == UInt8(ascii: "\"") || bytes[index] == UInt8(ascii: "'") { index += 1 }
        guard index < bytes.count, Self.isNameByte(bytes[index]) || bytes[index] == UInt8(ascii: "<"),
            let mask = Unicode.Scalar(Self.firstKeyMask + UInt32(maskedKeys.count))
        else { return false }
        maskedKeys.append(bytes[index])
        bytes.replaceSubrange(index...index, with: Array(String(Character(mask)).utf8))
        return true
    }

    /// Whether the line of `position` is indented with a tab.
    func isIndentedByTab(at position: Position) -> Bool {
        guard let start = offset(of: Position(line: position.line, column: 1)) else { return false }
        return bytes[start...].prefix { $0 == 0x20 || $0 == 0x09 }.contains(0x09)
    }

    private func offset(of position: Position) -> Int? {
        var walker = PositionWalker()
        var index = 0
        while index < bytes.count {
            if walker.position == position { return index }
            let length = Self.scalarLength(bytes[index])
            guard index + length <= bytes.count else { return nil }
            let scalar = String(decoding: bytes[index..<index + length], as: UTF8.self).unicodeScalars.first
            walker.pass(scalar?.value ?? 0)
            index += length
        }
        return nil
    }

    private static func scalarLength(_ first: UInt8) -> Int {
        first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    }

    private static func maskingAliases(_ text: [UInt8]) -> [UInt8] {
        let mask = Array(String(Character(aliasMask)).utf8)
        var masked: [UInt8] = []
        masked.reserveCapacity(text.count)
        for (index, byte) in text.enumerated() {
            if byte == UInt8(ascii: "*"), index + 1 < text.count, isNameByte(text[index + 1]) {
                masked += mask
            } else {
                masked.append(byte)
            }
        }
        return masked
    }

    /// What an anchor's name is made of.
    static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

extension DocumentText {
    /// The first thing that is no text, with its place.
    private static func firstUnreadable(_ bytes: [UInt8]) -> (Position, String)? {
        var walker = PositionWalker()
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        while true {
            switch decoder.decode(&iterator) {
            case .emptyInput: return nil
            case .error: return (walker.position, "the file is not UTF-8 text")
            case .scalarValue(let scalar):
                guard isAllowed(scalar.value) else {
                    let code = String(scalar.value, radix: 16, uppercase: true)
                    let number = String(repeating: "0", count: max(0, 4 - code.count)) + code
                    return (walker.position, "the character U+\(number) is not allowed, expected text")
                }
                walker.pass(scalar.value)
            }
        }
    }

    /// What YAML calls printable, less the masks.
    private static func isAllowed(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x09, 0x0A, 0x0D, 0x20...0x7E, 0x85, 0xA0...0xD7FF, 0xE100...0xF8FE, 0xF900...0xFEFE, 0xFF00...0xFFFD,
            0x10000...0x10FFFF:
            true
        default: false
        }
    }
}

/// Counts lines and columns as libyaml does: all Unicode line breaks, `\r\n` once.
struct PositionWalker {
    private(set) var position = Position(line: 1, column: 1)
    private var afterCarriageReturn = false

    mutating func pass(_ scalar: UInt32) {
        let completesBreak = afterCarriageReturn && scalar == 0x0A
        afterCarriageReturn = scalar == 0x0D
        if completesBreak { return }
        switch scalar {
        case 0x0A, 0x0D, 0x85, 0x2028, 0x2029: position = Position(line: position.line + 1, column: 1)
        default: position.column += 1
        }
    }
}
