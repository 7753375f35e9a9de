"""The few protobuf messages of containerd and CRI that the test bed uses, without generated code."""

def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while True:
        b = n & 0x7F
        n >>= 7
        if n: out.append(b | 0x80)
        else:
            out.append(b); return bytes(out)

# type letters: s string, y bytes, v varint, M:Name message, m map<string,string>; a leading * = repeated
SCHEMA = {
 'Empty': {},
 'VersionResp': {1:('version','s'),2:('runtime_name','s'),3:('runtime_version','s'),4:('runtime_api_version','s')},
 'PodMeta': {1:('name','s'),2:('uid','s'),3:('namespace','s'),4:('attempt','v')},
 'NsOpt': {1:('network','v'),2:('pid','v'),3:('ipc','v'),4:('target_id','s')},
 'SbxSec': {1:('namespace_options','M:NsOpt'),6:('privileged','v')},
 'LinuxPod': {1:('cgroup_parent','s'),2:('security_context','M:SbxSec')},
 'PodConfig': {1:('metadata','M:PodMeta'),2:('hostname','s'),3:('log_directory','s'),6:('labels','m'),7:('annotations','m'),8:('linux','M:LinuxPod')},
 'RunPodReq': {1:('config','M:PodConfig'),2:('runtime_handler','s')},
 'RunPodResp': {1:('pod_sandbox_id','s')},
 'PodIdReq': {1:('pod_sandbox_id','s'),2:('verbose','v')},
 'CtrMeta': {1:('name','s'),2:('attempt','v')},
 'ImageSpec': {1:('image','s')},
 'KV': {1:('key','s'),2:('value','s')},
 'Mount': {1:('container_path','s'),2:('host_path','s'),3:('readonly','v'),5:('propagation','v')},
 'Int64': {1:('value','v')},
 'CtrSec': {2:('privileged','v'),3:('namespace_options','M:NsOpt'),5:('run_as_user','M:Int64')},
 'LinuxCtr': {2:('security_context','M:CtrSec')},
 'CtrConfig': {1:('metadata','M:CtrMeta'),2:('image','M:ImageSpec'),3:('command','*s'),4:('args','*s'),5:('working_dir','s'),6:('envs','*M:KV'),7:('mounts','*M:Mount'),9:('labels','m'),10:('annotations','m'),11:('log_path','s'),15:('linux','M:LinuxCtr')},
 'CreateReq': {1:('pod_sandbox_id','s'),2:('config','M:CtrConfig'),3:('sandbox_config','M:PodConfig')},
 'CreateResp': {1:('container_id','s')},
 'CtrIdReq': {1:('container_id','s'),2:('verbose','v')},
 'CtrStatus': {1:('id','s'),2:('metadata','M:CtrMeta'),3:('state','v'),4:('created_at','v'),5:('started_at','v'),6:('finished_at','v'),7:('exit_code','v'),8:('image','M:ImageSpec'),9:('image_ref','s'),10:('reason','s'),11:('message','s'),12:('labels','m'),13:('annotations','m'),14:('mounts','*M:Mount'),15:('log_path','s'),17:('image_id','s')},
 'CtrStatusResp': {1:('status','M:CtrStatus'),2:('info','m')},
 'PodIP': {1:('ip','s')},
 'PodStatus': {1:('id','s'),2:('metadata','M:PodMeta'),3:('state','v'),4:('created_at','v'),5:('network','M:PodIP'),7:('labels','m'),8:('annotations','m'),9:('runtime_handler','s')},
 'PodStatusResp': {1:('status','M:PodStatus'),2:('info','m'),3:('containers_statuses','*M:CtrStatus'),4:('timestamp','v')},
 'ExecReq': {1:('container_id','s'),2:('cmd','*s'),3:('timeout','v')},
 'ExecResp': {1:('stdout','y'),2:('stderr','y'),3:('exit_code','v')},
 'Ctr': {1:('id','s'),2:('pod_sandbox_id','s'),3:('metadata','M:CtrMeta'),4:('image','M:ImageSpec'),5:('image_ref','s'),6:('state','v'),7:('created_at','v'),8:('labels','m'),9:('annotations','m')},
 'ListCtrResp': {1:('containers','*M:Ctr')},
 'Pod': {1:('id','s'),2:('metadata','M:PodMeta'),3:('state','v'),4:('created_at','v'),5:('labels','m'),6:('annotations','m')},
 'ListPodResp': {1:('items','*M:Pod')},
 'CriEvent': {1:('container_id','s'),2:('type','v'),3:('created_at','v'),4:('pod_sandbox_status','M:PodStatus'),5:('containers_statuses','*M:CtrStatus')},
 # containerd's own API
 'Any': {1:('type_url','s'),2:('value','y')},
 'Time': {1:('seconds','v'),2:('nanos','v')},
 'Runtime': {1:('name','s'),2:('options','M:Any')},
 'ExtEntry': {1:('key','s'),2:('value','M:Any')},
 'CdCtr': {1:('id','s'),2:('labels','m'),3:('image','s'),4:('runtime','M:Runtime'),5:('spec','M:Any'),6:('snapshotter','s'),7:('snapshot_key','s'),8:('created_at','M:Time'),9:('updated_at','M:Time'),10:('extensions','*M:ExtEntry'),11:('sandbox','s')},
 'CdGetReq': {1:('id','s')},
 'CdGetResp': {1:('container','M:CdCtr')},
 'TaskGetReq': {1:('container_id','s'),2:('exec_id','s')},
 'Process': {1:('container_id','s'),2:('id','s'),3:('pid','v'),4:('status','v'),5:('stdin','s'),6:('stdout','s'),7:('stderr','s'),8:('terminal','v'),9:('exit_status','v')},
 'TaskGetResp': {1:('process','M:Process')},
 'SubReq': {1:('filters','*s')},
 'Envelope': {1:('timestamp','M:Time'),2:('namespace','s'),3:('topic','s'),4:('event','M:Any')},
 'containerd.events.TaskCreate': {1:('container_id','s'),2:('bundle','s'),6:('pid','v')},
 'containerd.events.TaskStart': {1:('container_id','s'),2:('pid','v')},
 'containerd.events.TaskExit': {1:('container_id','s'),2:('id','s'),3:('pid','v'),4:('exit_status','v')},
 'containerd.events.TaskDelete': {1:('container_id','s'),2:('pid','v'),3:('exit_status','v'),5:('id','s')},
 'containerd.events.TaskExecAdded': {1:('container_id','s'),2:('exec_id','s')},
 'containerd.events.TaskExecStarted': {1:('container_id','s'),2:('exec_id','s'),3:('pid','v')},
 'containerd.events.ContainerCreate': {1:('id','s'),2:('image','s'),3:('runtime','M:Runtime')},
 'containerd.events.ContainerUpdate': {1:('id','s'),2:('image','s'),3:('labels','m'),4:('snapshot_key','s')},
 'containerd.events.ContainerDelete': {1:('id','s')},
}

def enc(name, d):
    out = b''
    for num, (f, t) in SCHEMA[name].items():
        if f not in d or d[f] is None: continue
        vals = d[f] if t[0] == '*' else [d[f]]
        t = t.lstrip('*')
        if t == 'm':
            vals = [(k, v) for k, v in d[f].items()]
        for v in vals:
            if t == 'v':
                out += varint(num << 3) + varint(int(v)); continue
            if t == 's': b = v.encode()
            elif t == 'y': b = v
            elif t == 'm': b = b''.join(varint(n << 3 | 2) + varint(len(x)) + x for n, x in ((1, v[0].encode()), (2, v[1].encode())))
            else: b = enc(t[2:], v)
            out += varint(num << 3 | 2) + varint(len(b)) + b
    return out

def rdv(b, i):
    n = s = 0
    while True:
        c = b[i]; i += 1
        n |= (c & 0x7F) << s; s += 7
        if c < 0x80: return n, i

def fields(b):
    i = 0
    while i < len(b):
        k, i = rdv(b, i)
        w = k & 7
        if w == 0: v, i = rdv(b, i)
        elif w == 2:
            n, i = rdv(b, i); v = b[i:i+n]; i += n
        elif w == 1: v = b[i:i+8]; i += 8
        elif w == 5: v = b[i:i+4]; i += 4
        else: raise ValueError('wire type %d' % w)
        yield k >> 3, v

def dec(name, b):
    sch = SCHEMA[name]; out = {}
    for num, v in fields(b):
        if num not in sch:
            out.setdefault('?', []).append(num); continue
        f, t = sch[num]
        rep = t[0] == '*'; t = t.lstrip('*')
        if t == 's': x = v.decode('utf-8', 'replace')
        elif t == 'm':
            kv = dict(fields(v)); out.setdefault(f, {})[kv.get(1, b'').decode()] = kv.get(2, b'').decode('utf-8', 'replace'); continue
        elif t in 'yv': x = v
        else: x = dec(t[2:], v)
        if rep: out.setdefault(f, []).append(x)
        else: out[f] = x
    return out

