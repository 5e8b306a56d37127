#!/usr/bin/env python3
# user-space netem: two TUN devices, one per netns, packets shuttled with faults.
# usage: usernetem.py nsA nsB [delay=MS] [jitter=MS] [loss=P] [dup=P] [reorder=P]
import os,sys,fcntl,struct,subprocess,random,heapq,time,selectors,signal
TUNSETIFF,IFF_TUN,IFF_NO_PI=0x400454ca,1,0x1000
A,B=sys.argv[1:3]
P=dict(delay=0.,jitter=0.,loss=0.,dup=0.,reorder=0.,seed=1.)
def load(ws):
    for w in ws:
        k,v=w.split('='); P[k]=float(v)
load(sys.argv[3:]); R=random.Random(int(P['seed']))
signal.signal(signal.SIGINT,signal.default_int_handler)
def tun(name,ns,addr,peer):
    f=os.open('/dev/net/tun',os.O_RDWR|os.O_NONBLOCK)
    fcntl.ioctl(f,TUNSETIFF,struct.pack('16sH',name.encode(),IFF_TUN|IFF_NO_PI))
    for c in (f'ip link set {name} netns {ns}',f'ip -n {ns} addr add {addr} peer {peer} dev {name}',f'ip -n {ns} link set {name} up mtu 1500'):
        subprocess.check_call(c.split())
    return f
a=tun('tuna',A,'10.98.0.1','10.98.0.2'); b=tun('tunb',B,'10.98.0.2','10.98.0.1')
s=selectors.DefaultSelector(); s.register(a,1,b); s.register(b,1,a)
q=[]; n=0; st=dict(fwd=0,lost=0,dup=0,late=0)
print('ready',flush=True)
def put(t,dst,p):
    global n; n+=1; heapq.heappush(q,(t,n,dst,p))
signal.signal(signal.SIGTERM,signal.default_int_handler)
try:
  while True:
    to=None if not q else max(0,q[0][0]-time.monotonic())
    for k,_ in s.select(to):
        for _ in range(64):
            try: p=os.read(k.fd,65535)
            except BlockingIOError: break
            except OSError: break
            now=time.monotonic()
            if R.random()<P['loss']: st['lost']+=1; continue
            d=(P['delay']+R.uniform(-1,1)*P['jitter'])/1e3
            if R.random()<P['reorder']: d+=P['delay']/1e3+0.005; st['late']+=1
            put(now+max(d,0),k.data,p)
            if R.random()<P['dup']: put(now+max(d,0),k.data,p); st['dup']+=1
    now=time.monotonic()
    while q and q[0][0]<=now:
        _,_,dst,p=heapq.heappop(q)
        try: os.write(dst,p); st['fwd']+=1
        except OSError: pass
except KeyboardInterrupt: pass
finally: print(st,flush=True)
