#!/usr/bin/python3
"""Makes an OCI archive: no registry, no tool.

  image.py OUT.tar REF [--add FILE:PATH[:MODE]]... -- CMD...
  FILE is a path, `=text` (then with a MODE), or `->target` for a symbolic link.
"""
import gzip, hashlib, io, json, os, sys, tarfile


def mkimage(out, ref, cmd, adds):
    layer = io.BytesIO()
    tf = tarfile.open(fileobj=layer, mode='w', format=tarfile.USTAR_FORMAT)
    seen = set()
    def mkdir(p):
        p = p.strip('/')
        if not p or p in seen: return
        mkdir(os.path.dirname(p)); seen.add(p)
        ti = tarfile.TarInfo(p + '/'); ti.type = tarfile.DIRTYPE; ti.mode = 0o1777 if p == 'tmp' else 0o755; tf.addfile(ti)
    for d in ('bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'run', 'var', 'root'): mkdir(d)
    for a in adds:
        # A text may hold colons, so it always comes with a mode.
        parts = a.rsplit(':', 2) if a.startswith('=') else (a.split(':') + ['755'])[:3]
        src, dst, mode = parts[0], parts[1], int(parts[2], 8)
        mkdir(os.path.dirname(dst))
        ti = tarfile.TarInfo(dst.strip('/')); ti.mode = mode
        if src.startswith('->'): ti.type = tarfile.SYMTYPE; ti.linkname = src[2:]; tf.addfile(ti)
        else:
            data = src[1:].encode() if src.startswith('=') else open(src, 'rb').read()
            ti.size = len(data); tf.addfile(ti, io.BytesIO(data))
    tf.close()
    raw = layer.getvalue(); gz = gzip.compress(raw, 6, mtime=0)
    blobs = {}
    def blob(b):
        h = hashlib.sha256(b).hexdigest(); blobs[h] = b; return 'sha256:' + h
    arch = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine, os.uname().machine)
    cfg = json.dumps({'architecture': arch, 'os': 'linux', 'config': {'Cmd': cmd, 'Env': ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']},
                      'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + hashlib.sha256(raw).hexdigest()]}}, sort_keys=True).encode()
    man = json.dumps({'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
                      'config': {'mediaType': 'application/vnd.oci.image.config.v1+json', 'digest': blob(cfg), 'size': len(cfg)},
                      'layers': [{'mediaType': 'application/vnd.oci.image.layer.v1.tar+gzip', 'digest': blob(gz), 'size': len(gz)}]}, sort_keys=True).encode()
    idx = json.dumps({'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.index.v1+json', 'manifests': [
        {'mediaType': 'application/vnd.oci.image.manifest.v1+json', 'digest': blob(man), 'size': len(man), 'platform': {'os': 'linux', 'architecture': arch},
         'annotations': {'io.containerd.image.name': ref, 'org.opencontainers.image.ref.name': ref}}]}, sort_keys=True).encode()
    with tarfile.open(out, 'w') as t:
        def put(n, b):
            ti = tarfile.TarInfo(n); ti.size = len(b); t.addfile(ti, io.BytesIO(b))
        put('oci-layout', b'{"imageLayoutVersion":"1.0.0"}'); put('index.json', idx)
        for h, b in blobs.items(): put('blobs/sha256/' + h, b)


if __name__ == '__main__':
    args = sys.argv[1:]
    split = args.index('--')
    args, cmd = args[:split], args[split + 1:]
    adds = [args[i + 1] for i in range(2, len(args), 2)]
    mkimage(args[0], args[1], cmd, adds)
