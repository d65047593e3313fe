{
  description = "SSH tunnels that stay up";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "riscv64-linux" "x86_64-darwin" "aarch64-darwin" ];
      each = nixpkgs.lib.genAttrs systems;
      package = pkgs: pkgs.buildGoModule {
        pname = "tunneld";
        version = self.shortRev or "dirty";
        src = self;
        # What `go mod vendor` makes; a test says when it has changed.
        vendorHash = "sha256-opnq99RH+DKk1iAj1K2yXz5NezX/Fbl5UpqMnspTlAQ=";
        subPackages = [ "cmd/tunneld" ];
        env.CGO_ENABLED = 0;
        ldflags = [ "-s" "-w" "-X main.version=nix-${self.shortRev or "dirty"}" "-X main.commit=${self.rev or ""}" ];
        nativeBuildInputs = [ pkgs.installShellFiles ];
        postInstall = ''
          installManPage deploy/man/tunneld.1
          install -Dm644 -t $out/share/licenses/tunneld LICENSE docs/licences.md
          for shell in bash fish zsh; do
            $out/bin/tunneld completion $shell >tunneld.$shell
            installShellCompletion --cmd tunneld --$shell tunneld.$shell
          done
          mkdir -p $out/lib/systemd/system $out/lib/systemd/user
          for unit in tunneld@.service tunneld@.socket; do
            sed "s|/usr/bin/tunneld|$out/bin/tunneld|" deploy/systemd/$unit >$out/lib/systemd/system/$unit
          done
          sed "s|/usr/bin/tunneld|$out/bin/tunneld|" deploy/systemd/user/tunneld@.service >$out/lib/systemd/user/tunneld@.service
        '';
        meta = {
          description = "SSH tunnels that stay up";
          homepage = "https://github.com/tunneld/tunneld";
          license = nixpkgs.lib.licenses.mit;
          mainProgram = "tunneld";
        };
      };
    in
    {
      packages = each (system: { default = package nixpkgs.legacyPackages.${system}; });
      overlays.default = final: _: { tunneld = package final; };
    };
}
