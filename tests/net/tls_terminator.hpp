// SPDX-License-Identifier: Apache-2.0
// Real TLS in front of a Unix socket: haproxy, with certificates made by the openssl program.
#pragma once

#include "net/scripted_peer.hpp"

#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>

namespace sandboxkit::test {

inline std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// An authority and what it issues, as files in PEM: <name>.pem, <name>.key, and both in <name>.both.
class Authority {
public:
    explicit Authority(const std::string& name = "Test Authority") {
        run("req -x509 " + new_key("authority") + " -days 2 -subj '/CN=" + name + "' -out authority.pem");
    }
    // `host` as in subjectAltName: DNS:... or IP:..., or empty for none.
    void issue(const std::string& name, const std::string& host) const {
        request(name, host);
        run("x509 -req -in request.pem -CA authority.pem -CAkey authority.key -days 2 -extfile extensions -out " + name + ".pem");
        join(name);
    }
    // Only `openssl ca` takes dates of the past in every version.
    void issue_expired(const std::string& name, const std::string& host) const {
        request(name, host);
        std::ofstream(file("issued"));
        std::ofstream(file("ca.conf")) << "[ca]\ndefault_ca=this\n[this]\nnew_certs_dir=.\ndatabase=issued\nrand_serial=yes\n"
                                          "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n";
        run("ca -batch -notext -config ca.conf -in request.pem -cert authority.pem -keyfile authority.key "
            "-startdate 20200101000000Z -enddate 20200102000000Z -extfile extensions -out " +
            name + ".pem");
        join(name);
    }
    void issue_by_itself(const std::string& name, const std::string& host) const {
        run("req -x509 " + new_key(name) + " -days 2 -subj '/CN=" + name + "' -addext subjectAltName=" + host + " -out " + name +
            ".pem");
        join(name);
    }
    // With a passphrase.
    void encrypt_key(const std::string& name) const { run("pkey -in " + name + ".key -aes128 -passout pass:x -out locked.key"); }

    [[nodiscard]] std::filesystem::path file(const std::string& name) const { return directory_.path() / name; }
    [[nodiscard]] std::string text(const std::string& name) const { return contents(file(name)); }

private:
    static std::string new_key(const std::string& name) {
        return "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + name + ".key";
    }
    void request(const std::string& name, const std::string& host) const {
        run("req " + new_key(name) + " -subj '/CN=" + name + "' -out request.pem");
        std::ofstream(file("extensions")) << "basicConstraints=CA:FALSE\n"
                                          << (host.empty() ? "" : "subjectAltName=" + host + "\n");
    }
    void join(const std::string& name) const {
        std::ofstream(file(name + ".both")) << text(name + ".pem") << text(name + ".key");
    }
    void run(const std::string& arguments) const {
        const auto command = "cd '" + directory_.path().string() + "' && openssl " + arguments + " >log 2>&1 </dev/null";
        if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl " + arguments + ": " + text("log"));
    }

    TemporaryDirectory directory_;
};

// On 127.0.0.1, as a child process that goes with the test.
class TlsTerminator {
public:
    static bool available() { return ::access("/usr/sbin/haproxy", X_OK) == 0; }

    // `bind` has more words of haproxy's bind line, `more` more lines; `mode` is tcp or http.
    TlsTerminator(const std::filesystem::path& certificate, const std::filesystem::path& backend, const std::string& bind = "",
                  const std::string& mode = "tcp", const std::string& more = "") {
        // Bound here: it listens before haproxy has started.
        const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 64) != 0 ||
            ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
            throw std::runtime_error("listen");
        port_ = ntohs(address.sin_port);
        const auto config = (directory_.path() / "haproxy.cfg").string();
        std::ofstream(config) << "defaults\n mode " << mode
                              << "\n timeout connect 1m\n timeout client 1h\n timeout server 1h\n"
                                 "listen tls\n bind fd@"
                              << listener << " ssl crt " << certificate.string() << " " << bind << "\n"
                              << more << " server backend unix@" << backend.string() << "\n";
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::execl("/usr/sbin/haproxy", "haproxy", "-db", "-q", "-f", config.c_str(), nullptr);
            ::_exit(127);
        }
        ::close(listener);
    }
    ~TlsTerminator() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    TlsTerminator(const TlsTerminator&) = delete;
    TlsTerminator& operator=(const TlsTerminator&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }

private:
    TemporaryDirectory directory_;
    std::uint16_t port_ = 0;
    pid_t pid_ = -1;
};

} // namespace sandboxkit::test
