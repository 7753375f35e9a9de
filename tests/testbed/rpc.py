#!/usr/bin/python3
"""Client for containerd's own API and for CRI v1, driven by the tests.

  rpc.py SOCKET wait                    until CRI answers
  rpc.py SOCKET serve CGROUP            one JSON request a line on stdin, one JSON answer a line on stdout

Requests: {"n": 1, "do": "pod", "name", "namespace", ...} and so on, see `Bed`. Each runs in a
thread of its own; an answer has the request's "n", and "error" if it failed.
"""
import json, sys, threading, time, uuid
import grpc
from messages import dec, enc

POD, CONTAINER, NODE = 0, 1, 2


class Bed:
    def __init__(self, socket, cgroup):
        self.cgroup = cgroup
        self.lock = threading.Lock()
        options = [('grpc.max_receive_message_length', 64 << 20), ('grpc.default_authority', 'localhost'),
                   ('grpc.initial_reconnect_backoff_ms', 50), ('grpc.max_reconnect_backoff_ms', 200)]
        self.channel = grpc.insecure_channel('unix://' + socket, options=options)

    def call(self, method, request, body, response, namespace=None, timeout=120):
        stub = self.channel.unary_unary(method, request_serializer=lambda x: x, response_deserializer=lambda x: x)
        metadata = [('containerd-namespace', namespace)] if namespace else None
        raw = stub(enc(request, body), metadata=metadata, timeout=timeout, wait_for_ready=True)
        return dec(response, raw) if response else {}

    def cri(self, method, request, body, response=None):
        return self.call('/runtime.v1.RuntimeService/' + method, request, body, response)

    def do_wait(self, r):
        """Until CRI answers, over a new connection if the one that was there has broken."""
        deadline = time.monotonic() + 120
        while True:
            try:
                return self.cri('Version', 'Empty', {}, 'VersionResp')
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def do_sandbox(self, r):
        """A sandbox with kubelet's labels."""
        uid = r.get('uid') or str(uuid.uuid4())
        labels = {'io.kubernetes.pod.name': r['name'], 'io.kubernetes.pod.namespace': r['namespace'], 'io.kubernetes.pod.uid': uid}
        # Pods get the network namespace of containerd: a bridge costs 100 ms.
        spaces = {'network': NODE, 'pid': NODE if r.get('host_pid') else CONTAINER, 'ipc': POD}
        privileged = bool(r.get('privileged'))
        config = {
            'metadata': {'name': r['name'], 'uid': uid, 'namespace': r['namespace'], 'attempt': 0},
            'log_directory': r['logs'], 'labels': {**labels, **r.get('labels', {})},
            'annotations': {'kubernetes.io/config.source': 'api'},
            'linux': {'cgroup_parent': '%s/kubepods/besteffort/pod%s' % (self.cgroup, uid),
                      'security_context': {'namespace_options': spaces, 'privileged': privileged}}}
        sandbox = self.cri('RunPodSandbox', 'RunPodReq', {'config': config}, 'RunPodResp')['pod_sandbox_id']
        return {'sandbox': sandbox, 'uid': uid, 'config': config, 'own_labels': labels}

    def do_pod(self, r):
        """A pod with one container; `start` false leaves it created."""
        made = self.do_sandbox(r)
        config, sandbox = made['config'], made['sandbox']
        name = r.get('container', 'main')
        security = {'namespace_options': config['linux']['security_context']['namespace_options'], 'privileged': bool(r.get('privileged'))}
        if 'user' in r:
            security['run_as_user'] = {'value': r['user']}
        container = {
            'metadata': {'name': name, 'attempt': 0}, 'image': {'image': r['image']}, 'command': r.get('command'),
            'labels': {**made['own_labels'], 'io.kubernetes.container.name': name},
            'annotations': {'io.kubernetes.container.restartCount': '0'},
            'log_path': name + '.log', 'linux': {'security_context': security},
            'mounts': [{'host_path': h, 'container_path': c} for h, c in r.get('mounts', [])]}
        body = {'pod_sandbox_id': sandbox, 'config': container, 'sandbox_config': config}
        cid = self.cri('CreateContainer', 'CreateReq', body, 'CreateResp')['container_id']
        if r.get('start', True):
            self.do_start({'container': cid})
        return {'sandbox': sandbox, 'container': cid, 'uid': made['uid']}

    def do_start(self, r):
        return self.cri('StartContainer', 'CtrIdReq', {'container_id': r['container']})

    def do_exec(self, r):
        body = {'container_id': r['container'], 'cmd': r['command'], 'timeout': 60}
        done = self.cri('ExecSync', 'ExecReq', body, 'ExecResp')
        return {'stdout': done.get('stdout', b'').decode('utf-8', 'replace'),
                'stderr': done.get('stderr', b'').decode('utf-8', 'replace'), 'code': done.get('exit_code', 0)}

    def do_remove(self, r):
        # A container that ends just now takes its shim along, and containerd's call to that fails
        # (`ttrpc: closed`). The next call finds the container ended.
        deadline = time.monotonic() + 10
        while True:
            try:
                self.cri('StopPodSandbox', 'PodIdReq', {'pod_sandbox_id': r['sandbox']})
                break
            except grpc.RpcError as error:
                if 'ttrpc: closed' not in (error.details() or '') or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)
        return self.cri('RemovePodSandbox', 'PodIdReq', {'pod_sandbox_id': r['sandbox']})

    def do_clear(self, r):
        """Removes all pods."""
        pods = self.cri('ListPodSandbox', 'Empty', {}, 'ListPodResp').get('items', [])
        for pod in pods:
            self.do_remove({'sandbox': pod['id']})
        return {'pods': len(pods)}

    def serve(self, line):
        request = json.loads(line)
        try:
            answer = getattr(self, 'do_' + request['do'])(request)
            answer = {k: v for k, v in answer.items() if k not in ('config', 'own_labels')}
        except grpc.RpcError as error:
            answer = {'error': '%s: %s' % (error.code(), error.details())}
        except Exception as error:
            answer = {'error': repr(error)}
        with self.lock:
            print(json.dumps({'n': request['n'], **answer}), flush=True)


def main(args):
    if len(args) < 2:
        sys.exit(__doc__)
    bed = Bed(args[0], args[2] if len(args) > 2 else '')
    if args[1] == 'wait':
        bed.do_wait({})
    elif args[1] == 'clear':
        bed.do_clear({})
    elif args[1] == 'serve':
        threads = []
        for line in sys.stdin:
            threads.append(threading.Thread(target=bed.serve, args=(line,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
