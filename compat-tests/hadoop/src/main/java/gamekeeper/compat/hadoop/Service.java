package gamekeeper.compat.hadoop;

import java.io.IOException;
import java.net.InetSocketAddress;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.ha.HAServiceProtocol;
import org.apache.hadoop.ha.HAServiceStatus;
import org.apache.hadoop.ha.HealthCheckFailedException;
import org.apache.hadoop.ha.ServiceFailedException;
import org.apache.hadoop.ha.proto.HAServiceProtocolProtos.HAServiceProtocolService;
import org.apache.hadoop.ha.protocolPB.HAServiceProtocolPB;
import org.apache.hadoop.ha.protocolPB.HAServiceProtocolServerSideTranslatorPB;
import org.apache.hadoop.ipc.ProtobufRpcEngine2;
import org.apache.hadoop.ipc.RPC;

/** What is to be active in one place only. Says on standard output when it becomes something else. */
final class Service implements HAServiceProtocol {
    private HAServiceState state = HAServiceState.INITIALIZING;
    private volatile boolean healthy = true;

    /** Answers controllers' calls, which come as they would to a NameNode. */
    void serve(Configuration conf, InetSocketAddress address) throws IOException {
        RPC.setProtocolEngine(conf, HAServiceProtocolPB.class, ProtobufRpcEngine2.class);
        var translator = new HAServiceProtocolServerSideTranslatorPB(this);
        new RPC.Builder(conf)
                .setProtocol(HAServiceProtocolPB.class)
                .setInstance(HAServiceProtocolService.newReflectiveBlockingService(translator))
                .setBindAddress(address.getHostString())
                .setPort(address.getPort())
                .setNumHandlers(2)
                .build()
                .start();
    }

    void setHealthy(boolean healthy) {
        this.healthy = healthy;
    }

    @Override
    public void monitorHealth() throws HealthCheckFailedException {
        if (!healthy) {
            throw new HealthCheckFailedException("the test said so");
        }
    }

    @Override
    public void transitionToActive(StateChangeRequestInfo request) {
        become(HAServiceState.ACTIVE);
    }

    @Override
    public void transitionToStandby(StateChangeRequestInfo request) {
        become(HAServiceState.STANDBY);
    }

    @Override
    public void transitionToObserver(StateChangeRequestInfo request) throws ServiceFailedException {
        throw new ServiceFailedException("there are no observers here");
    }

    @Override
    public synchronized HAServiceStatus getServiceStatus() {
        return new HAServiceStatus(state).setReadyToBecomeActive();
    }

    private synchronized void become(HAServiceState next) {
        if (next != state) {
            state = next;
            System.out.println(next);
        }
    }
}
