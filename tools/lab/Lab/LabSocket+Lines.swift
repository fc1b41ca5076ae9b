/// Text and whole streams.
extension LabSocket {
    /// Receives up to and including the next newline, without it. Reads byte by byte: nothing after it is taken.
    public func receiveLine() throws(LabError) -> String {
        var line: [UInt8] = []
        while true {
            guard let byte = try receive(atMost: 1).first else {
                throw LabError("receive: end of stream after \(line.count) bytes of a line")
            }
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
            guard line.count < 4096 else { throw LabError("receive: a line of more than 4096 bytes") }
        }
    }

    /// Receives exactly `count` bytes.
    public func receive(exactly count: Int) throws(LabError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receive(atMost: count - bytes.count)
            guard !more.isEmpty else { throw LabError("receive: end of stream after \(bytes.count) of \(count) bytes") }
            bytes += more
        }
        return bytes
    }

    /// Receives to the end of the stream.
    public func receiveAll() throws(LabError) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let more = try receive()
            guard !more.isEmpty else { return bytes }
            bytes += more
        }
    }

    /// Reads an echo server's greeting, then checks that it echoes a line.
    @discardableResult
    public func exchange(_ line: String = "ping") throws(LabError) -> Greeting {
        let greeting = try Greeting(receiveLine())
        try echo(line)
        return greeting
    }

    /// Checks that a server echoes a line.
    public func echo(_ line: String) throws(LabError) {
        try send(line + "\n")
        let answer = try receiveLine()
        guard answer == line else { throw LabError("echo: sent \(line), received \(answer)") }
    }
}
