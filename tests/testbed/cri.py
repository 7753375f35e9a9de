#!/usr/bin/python3
"""CRI-O or cri-dockerd, as far as the sensor can tell: containerd's answers, with what the other runtime does
differently. Debian has neither of them.

  cri.py FRONT BACK cri-o|docker     serves CRI at FRONT from containerd at BACK, until standard input ends

cri-o    its information has the sandbox, the process, `privileged` and the OCI specification; an image is its id,
         the reference has a digest, the name is in an annotation; GetContainerEvents ends at once (its default)
docker   no information; `docker-pullable://` references; an unknown container is an error without a code
"""
import json, sys
from concurrent import futures
import grpc
from messages import dec, enc

SERVICE = '/runtime.v1.RuntimeService/'


class Front(grpc.GenericRpcHandler):
    def __init__(self, back, runtime):
        self.runtime = runtime
        self.channel = grpc.insecure_channel('unix://' + back, options=[('grpc.default_authority', 'localhost')])

    def service(self, details):
        if not details.method.startswith(SERVICE):
            return None  # not containerd's own API
        method = details.method[len(SERVICE):]
        if method == 'GetContainerEvents':
            return grpc.unary_stream_rpc_method_handler(lambda request, context: iter(()))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self.answer(method, request, context))

    def answer(self, method, request, context):
        if method == 'Version':
            return enc('VersionResp', {'version': '0.1.0', 'runtime_name': self.runtime, 'runtime_version': '1', 'runtime_api_version': 'v1'})
        call = self.channel.unary_unary(SERVICE + method, request_serializer=bytes, response_deserializer=bytes)
        try:
            raw = call(request, timeout=60, wait_for_ready=True)
        except grpc.RpcError as error:
            if self.runtime == 'docker' and error.code() == grpc.StatusCode.NOT_FOUND:
                context.abort(grpc.StatusCode.UNKNOWN, 'Error response from daemon: No such container: x')
            context.abort(error.code(), error.details())
        return self.container(raw) if method == 'ContainerStatus' else raw

    def container(self, raw):
        answer = dec('CtrStatusResp', raw)
        status, info = answer['status'], json.loads(answer.get('info', {}).get('info', '{}'))
        name, digest = status['image']['image'], status['image_ref']
        repository = name.rsplit(':', 1)[0]
        if self.runtime == 'docker':
            status['image_ref'] = 'docker-pullable://%s@%s' % (repository, digest)
            answer['info'] = {}
        else:
            status['image_ref'] = '%s@%s' % (repository, digest)
            status['image'] = {'image': digest.split(':')[1]}
            spec = info['runtimeSpec']
            spec['annotations'] = {'io.kubernetes.cri-o.ImageName': name, 'io.kubernetes.cri-o.SandboxID': info['sandboxID']}
            context = info['config'].get('linux', {}).get('security_context', {})
            answer['info'] = {'info': json.dumps({'sandboxID': info['sandboxID'], 'pid': info['pid'], 'runtimeSpec': spec,
                                                  'privileged': context.get('privileged', False)})}
        return enc('CtrStatusResp', answer)


def main(front, back, runtime):
    server = grpc.server(futures.ThreadPoolExecutor(16), handlers=(Front(back, runtime),))
    assert server.add_insecure_port('unix://' + front)
    server.start()
    print('ready', flush=True)
    sys.stdin.read()
    server.stop(0)


main(*sys.argv[1:])
