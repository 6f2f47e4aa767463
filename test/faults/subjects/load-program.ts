import { argument, serve } from '../../bench/subjects/serve.js'
import { runOpenLoop, warmUp, type LoadOrder } from './open-loop.js'
import { sdkSender, type Setting } from './sdk-sender.js'
import { sidecarSender, type SidecarAddress } from './sidecar-sender.js'

export type LoadArgument =
  | { readonly subject: 'sdk'; readonly origins: readonly string[]; readonly setting: Setting }
  | { readonly subject: 'sidecar'; readonly address: SidecarAddress }

const told = argument() as LoadArgument
const sender = told.subject === 'sdk' ? sdkSender(told.origins, told.setting) : sidecarSender(told.address)

serve((order) => (order === 'warm up' ? warmUp(sender) : runOpenLoop(sender, order as LoadOrder)))
