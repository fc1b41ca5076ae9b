/// Field lines (RFC 9112 5) that were taken into the block: checked, lowered and indexed where they lie.
extension MessageHead {
    /// Adds the field that lies at `start`: the place behind its line. Nothing if it is not complete, or not
    /// right: then nothing has changed. A trailer that must not be one is left out.
    @inline(__always) mutating func addScannedField(_ start: Int, isTrailer: Bool) -> Int? {
        let lanes = lanes(at: start)
        // The end of the line first, at the first control byte: the next line waits for nothing else then.
        var valueEnd = start
        var lineEnds = lanes.valueEnds
        while lineEnds.isEmpty {
            valueEnd &+= MemoryLayout<Lanes>.size
            lineEnds = self.lanes(at: valueEnd).valueEnds
        }
        valueEnd &+= lineEnds.first
        guard isLineEnd(at: valueEnd) else { return nil }
        let (lowered, ends) = lanes.name
        var count = ends.first
        let isLong = count == MemoryLayout<Lanes>.size || taken(start &+ count) != UInt8(ascii: ":")
        if isLong {
            guard let long = scanLongName(start) else { return nil }
            count = long
        }
        guard count > 0 else { return nil }
        let colon = start &+ count
        let key: HeaderNameTable.Key
        // The name is written last: a load that overlaps a store of a moment ago waits for it.
        let isNeat = taken(colon &+ 1) == 0x20 && taken(colon &+ 2) > 0x20 && taken(valueEnd &- 1) > 0x20
        if isLong {
            key = lowerLongName(start, colon)
        } else {
            let isName = Lanes.isBelow(count)
            key = lowered.key(isName, count)
            putLanes(lanes.replacing(with: lowered, where: isName), at: start)
        }
        let (known, flags) = names.find(key)
        let next = valueEnd &+ 2
        if isTrailer && !known.isAllowedAsTrailer { return next }
        if isNeat {
            let (name, value) = (ByteRange(start, colon), ByteRange(colon &+ 2, valueEnd))
            addField(HeaderField(known: known, flags: flags, name: name, value: value))
        } else {
            addUntidy(known, flags, start, colon, valueEnd)
        }
        return next
    }

    /// The length of a name that is long, or has bytes that are rare in names. Nothing if no colon follows it.
    @inline(never) private func scanLongName(_ start: Int) -> Int? {
        var place = start
        while true {
            let first = lanes(at: place).name.ends.first
            place &+= first
            if first == MemoryLayout<Lanes>.size { continue }
            if taken(place) == UInt8(ascii: ":") { return place &- start }
            guard taken(place).isTokenByte else { return nil }
            place &+= 1
        }
    }

    /// Lowers such a name; its key.
    @inline(never) private mutating func lowerLongName(_ start: Int, _ colon: Int) -> HeaderNameTable.Key {
        var place = start
        while place < colon {
            let lanes = lanes(at: place)
            let isName = Lanes.isBelow(min(colon &- place, MemoryLayout<Lanes>.size))
            putLanes(lanes.replacing(with: lanes.name.lowered, where: isName), at: place)
            place &+= MemoryLayout<Lanes>.size
        }
        end = max(end, colon)
        return key(ByteRange(start, colon))
    }

    /// Adds a field with white space other than one space before the value. It is cut off at the value's end; before it one
    /// space is left, up to which the name is moved. A value that follows the colon at once stays there.
    @inline(never) private mutating func addUntidy(
        _ known: HeaderName, _ flags: UInt8, _ start: Int, _ colon: Int, _ lineEnd: Int
    ) {
        var valueStart = colon + 1
        while Self.isBlank(taken(valueStart)) { valueStart += 1 }
        var valueEnd = lineEnd
        while valueEnd > valueStart, Self.isBlank(taken(valueEnd - 1)) { valueEnd -= 1 }
        putPair(0x0a0d, at: valueEnd)
        let distance = max(valueStart - colon - 2, 0)
        if valueStart > colon + 1 {
            for place in stride(from: colon, through: start, by: -1) { putByte(taken(place), at: place + distance) }
            putByte(0x20, at: valueStart - 1)
        }
        let (name, value) = (ByteRange(start + distance, colon + distance), ByteRange(valueStart, valueEnd))
        addField(HeaderField(known: known, flags: flags, name: name, value: value))
    }

    @inline(__always) private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
