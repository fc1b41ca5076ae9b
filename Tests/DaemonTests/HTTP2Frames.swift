import Foundation
import Model
import Testing

/// A client of HTTP/2 in Python that sees, and sends, single frames: that of the conformance cases.
enum HTTP2Frames {
    /// Runs a program to its end, which it says. `connect(pairs)` gives a `Peer` that has greeted, with those SETTINGS; `peer.frame()`
    /// its next frame that is not about SETTINGS or windows, in words, or `end`; `peer.rest()` all of them up to the end.
    static func run(
        _ daemon: Daemon, _ web: SocketAddress, _ program: String, within limit: Duration = .seconds(60)
    ) throws {
        let result = try daemon.run(
            ["/usr/bin/python3", "-c", prelude(web) + program + "\nprint('done')"], within: limit)
        #expect(result.output == "done\n", "\(result)")
    }

    /// The same beside a test; see `LabProcess`.
    static func command(_ web: SocketAddress, _ program: String) -> [String] {
        ["/usr/bin/python3", "-u", "-c", prelude(web) + program + "\nprint('done')"]
    }

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Conformance")
        .standardized

    private static func prelude(_ web: SocketAddress) -> String {
        """
        import sys, time, threading, struct
        sys.path.insert(0, '\(folder.path)')
        sys.dont_write_bytecode = True
        import http2
        from http2 import *
        LAST = 0x7fffffff
        class Frames(http2.Peer):
            def frame(self, seconds=PATIENCE):
                while True:
                    try: found = self.receive(seconds)
                    except TimeoutError: return 'silence'
                    if found is None: return 'end'
                    kind, flags, stream, payload = found
                    if kind in (SETTINGS, UPDATE): continue
                    if kind == GOAWAY: return 'GOAWAY %d %d' % struct.unpack('>II', payload[:8])
                    if kind == RST: return 'RST_STREAM %d %d' % (stream, int.from_bytes(payload, 'big'))
                    if kind == PING and not flags & ACK:
                        self.ping = payload
                        return 'PING'
                    if kind == HEADERS: return 'HEADERS %d %s' % (stream, self.heads[stream].get(':status'))
                    return '%s %d%s' % (NAMES[kind], stream, ' end' if kind == DATA and flags & END else '')
            def rest(self, seconds=PATIENCE):
                seen = []
                while not seen or seen[-1] not in ('end', 'silence'): seen.append(self.frame(seconds))
                return seen
            def pong(self): self.send(frame(PING, ACK, 0, self.ping))
        def connect(*pairs):
            peer = Frames('127.0.0.1', \(web.port))
            peer.greet(*pairs)
            return peer
        def expect(found, *expected):
            assert found == (expected[0] if len(expected) == 1 else list(expected)), (found, expected)

        """
    }
}
