import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// What one connection of HTTP/2 may ask for, and for how long.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2LimitTests {
        /// Extended CONNECT opens WebSocket, and no way past the routes.
        @Test(arguments: ["h2c", "H2C", "h2", "websocket2", "connect-udp"])
        func onlyWebSocket(name: String) async throws {
            let server = try HTTPServer { _, _, connection in
                try connection.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
                return true
            }
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http1")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                p.send(headers(1, connect('\(name)'), ENDHEADERS))
                pump(p, lambda: 1 in p.heads)
                assert p.heads[1][':status'] == '501', p.heads
                """)
            #expect(output == "done\n")
            #expect(server.requests.isEmpty)
            #expect(try await daemon.isAtRest())
        }

        @Test func pathsAndLengths() async throws {
            let server = try HTTPServer.echo()
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", protocol: http1", more: "limits: {requestTargetBytes: 1KiB}")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                p.send(headers(1, request(path='/' + 'x' * 1024)) + headers(3, request(path='/' + 'x' * 1023)))
                p.answer(1, '414')
                p.answer(3)
                # A length of nothing is one.
                p.send(headers(5, request('POST', more=[('content-length', '0')])))
                assert b'content-length: 0' in p.answer(5)[1], p.bodies
                """)
            #expect(output == "done\n")
            #expect(try await daemon.isAtRest())
        }

        /// A request that has been answered is not sent on, even if its client has not read the answer.
        @Test func whatWasAnsweredIsNotSent() async throws {
            let server = try HTTPServer { request, _, connection in
                if request.path == "/long" { Thread.sleep(forTimeInterval: 2) }
                try connection.answer(Array("ok".utf8))
                return true
            }
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", protocol: http1, connectTimeout: 20s, circuitBreaker: {connections: 1}",
                rules: [
                    "{match: {path: {prefix: /pay}}, route: {cluster: servers, timeout: 300ms}}",
                    "{route: {cluster: servers}}",
                ])
            let output = try daemon.raw(
                web,
                """
                long = peer()
                long.send(headers(1, request(path='/long')))
                long.alive()
                p = peer((4, 0))
                p.send(headers(1, request('POST', '/pay')) + headers(3, request('POST', '/pay'), ENDHEADERS))
                pump(p, lambda: len(p.heads) == 2)
                assert {head[':status'] for head in p.heads.values()} == {'504'}, p.heads
                # The end of the request does not take the answer away.
                p.send(data(3, b'body', END))
                # These wait behind it.
                after = peer()
                after.send(get(1))
                after.answer(1)
                p.send(update(1, 1000) + update(3, 1000))
                pump(p, lambda: len(p.ended) == 2)
                assert p.bodies[1] == p.bodies[3] == b'the endpoint took too long\\n', p.bodies
                """)
            #expect(output == "done\n")
            #expect(server.counts == ["/long": 1, "/": 1])
            #expect(try await daemon.isAtRest())
        }

        /// Few bytes that ask for many: they are obeyed bit by bit, as their answers are taken.
        @Test func whatATurnProduces() async throws {
            let (daemon, web) = try await Daemon.http(to: [], rules: ["{redirect: {host: elsewhere}}"])
            let before = try daemon.residentKiB()
            let output = try daemon.raw(
                web,
                """
                p = peer()
                # A path of 3.9 KB, from now on one byte; it is in each answer.
                p.send(headers(1, b'\\x82\\x86\\x44' + text('/' + 'p' * 3900) + b'\\x01' + text('a')))
                pump(p, lambda: 1 in p.ended)
                p.socket.settimeout(10)
                frames = b''.join(headers(stream, b'\\x82\\x86\\xbe\\x01\\x01a') for stream in range(3, 20003, 2))
                threading.Thread(target=p.socket.sendall, args=(frames,), daemon=True).start()
                pump(p, lambda: len(p.ended) == 10001, 60)
                """)
            #expect(output == "done\n")
            let peak = try daemon.peakKiB()
            #expect(peak - before < 16 << 10, "\(before) KiB, then \(peak)")
        }

        /// Heads that grow out of a table count, and there are so many of them at once.
        @Test func headsAreCharged() async throws {
            let server = try await PythonProgram.rawHTTP2("def handle(connection, kind, flags, stream, payload): pass")
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", protocol: http2", more: "limits: {memory: 16MiB}")
            let output = try daemon.raw(
                web,
                """
                def fill():
                    p = peer()
                    start = b'\\x82\\x86\\x84\\x01\\x01a'
                    p.send(headers(1, start + b'\\x40' + text('x-a') + text('v' * 3900) + b'\\xbe' * 14))
                    p.send(b''.join(headers(stream, start + b'\\xbe' * 15) for stream in range(3, 101, 2)))
                    pump(p, lambda: len(p.resets) > 10)
                    assert p.seen[-1].endswith(f' {REFUSED}'), p.seen[-1]
                    return p
                print('filled')
                one = fill()
                one.alive()
                def isEnded(p):
                    p.socket.setblocking(False)
                    try: return not p.socket.recv(1 << 16)
                    except BlockingIOError: return False
                    except OSError: return True
                rest = []
                for _ in range(40):
                    try: rest.append(fill())
                    except Failed: break
                    if any(isEnded(p) for p in rest): break
                else: raise Failed('none was ended')
                """)
            #expect(output == "filled\ndone\n")
            #expect(try daemon.sum("apus_http2_violations_total") > 10)
            #expect(try await daemon.isAtRest())
        }
    }
}
