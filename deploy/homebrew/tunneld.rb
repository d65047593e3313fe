# For a tap: each release has another url and sha256, which are those of its tarball of sources.
class Tunneld < Formula
  desc "SSH tunnels that stay up"
  homepage "https://github.com/tunneld/tunneld"
  url "https://github.com/tunneld/tunneld/archive/refs/tags/v0.0.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"
  head "https://github.com/tunneld/tunneld.git", branch: "main"

  depends_on "go" => :build

  def install
    ldflags = "-s -w -X main.version=v#{version}"
    system "go", "build", "-buildvcs=false", *std_go_args(ldflags:), "./cmd/tunneld"
    man1.install "deploy/man/tunneld.1"
    generate_completions_from_executable(bin/"tunneld", "completion")
    doc.install "docs"
  end

  # The aliases of ~/.ssh/config that are called tunneld-something, with the keys of the user's agent.
  service do
    run [opt_bin/"tunneld", "up", "tunneld-*"]
    keep_alive successful_exit: false
    log_path var/"log/tunneld.log"
    error_log_path var/"log/tunneld.log"
  end

  test do
    assert_match "tunneld v#{version}", shell_output("#{bin}/tunneld version")
    assert_match "done", shell_output("#{bin}/tunneld demo 2>&1")
  end
end
