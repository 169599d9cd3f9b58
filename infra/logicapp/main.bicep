// Two workflows over the connector: a blob is added -> start a run, wait, post the link to its result; a run finishes
// -> post its results, or mail its failure. Deploy it to the resource group of your deployment:
//
//   az deployment group create --resource-group <group> --template-file infra/logicapp/main.bicep \
//       --parameters host=<app>.azurewebsites.net hostKey=<key> storageAccount=<data account> \
//                    postTo=<address that takes JSON> mailTo=<address>
//
// Then open the connection `office365` in the portal once and sign in: mail is sent in the name of who signs in.

targetScope = 'resourceGroup'

@description('Where the workflows run.')
param location string = resourceGroup().location

@description('What their names begin with.')
@minLength(3)
@maxLength(20)
param prefix string = 'dropscore'

@description('Host name of the function app, such as your-app.azurewebsites.net.')
param host string

@description('A key of its host, made for the workflows alone.')
@secure()
param hostKey string

@description('The data account: new blobs in its container for inputs start runs.')
param storageAccount string

@description('The container to watch.')
param container string = 'inputs'

@description('The workload that scores new blobs.')
param workload string = 'style_transfer'

@description('Options of the workload; its defaults where nothing is said.')
param workloadOptions object = {}

@description('An https address that takes a POST with JSON, such as an incoming webhook of a chat.')
@secure()
param postTo string

@description('Who gets a mail when a run has no result.')
param mailTo string

var definition = loadJsonContent('../connector/apiDefinition.swagger.json')
var connectorProperties = loadJsonContent('../connector/apiProperties.json').properties
var blobReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1' // Storage Blob Data Reader
var blobApi = subscriptionResourceId('Microsoft.Web/locations/managedApis', location, 'azureblob')
var mailApi = subscriptionResourceId('Microsoft.Web/locations/managedApis', location, 'office365')

resource data 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccount
}

resource connector 'Microsoft.Web/customApis@2016-06-01' = {
  name: '${prefix}-connector'
  location: location
  properties: {
    apiType: 'Rest'
    displayName: definition.info.title
    description: definition.info.description
    brandColor: connectorProperties.iconBrandColor
    capabilities: connectorProperties.capabilities
    swagger: union(definition, { host: host })
    backendService: {
      serviceUrl: 'https://${host}'
    }
    connectionParameters: {
      api_key: connectorProperties.connectionParameters.api_key
    }
  }
}

resource scoring 'Microsoft.Web/connections@2016-06-01' = {
  name: '${prefix}-scoring'
  location: location
  properties: {
    displayName: 'dropscore at ${host}'
    api: {
      id: connector.id
    }
    parameterValues: {
      api_key: hostKey
    }
  }
}

// By the workflow's own identity, without a key. The published type of connections lacks `parameterValueSet`.
resource blobs 'Microsoft.Web/connections@2016-06-01' = {
  name: '${prefix}-blobs'
  location: location
  properties: any({
    displayName: 'Blobs of ${storageAccount}'
    api: {
      id: blobApi
    }
    parameterValueSet: {
      name: 'managedIdentityAuth'
      values: {}
    }
  })
}

resource mail 'Microsoft.Web/connections@2016-06-01' = {
  name: '${prefix}-mail'
  location: location
  properties: {
    displayName: 'Mail'
    api: {
      id: mailApi
    }
  }
}

resource blobToResult 'Microsoft.Logic/workflows@2019-05-01' = {
  name: '${prefix}-blob-to-result'
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    state: 'Enabled'
    definition: loadJsonContent('blob-to-result.json').definition
    parameters: {
      '$connections': {
        value: {
          azureblob: {
            connectionId: blobs.id
            connectionName: blobs.name
            id: blobApi
            connectionProperties: {
              authentication: {
                type: 'ManagedServiceIdentity'
              }
            }
          }
          dropscore: {
            connectionId: scoring.id
            connectionName: scoring.name
            id: connector.id
          }
        }
      }
      storageAccount: {
        value: storageAccount
      }
      container: {
        value: container
      }
      workload: {
        value: workload
      }
      options: {
        value: workloadOptions
      }
      postTo: {
        value: postTo
      }
    }
  }
}

resource runFinished 'Microsoft.Logic/workflows@2019-05-01' = {
  name: '${prefix}-run-finished'
  location: location
  properties: {
    state: 'Enabled'
    definition: loadJsonContent('run-finished.json').definition
    parameters: {
      '$connections': {
        value: {
          dropscore: {
            connectionId: scoring.id
            connectionName: scoring.name
            id: connector.id
          }
          office365: {
            connectionId: mail.id
            connectionName: mail.name
            id: mailApi
          }
        }
      }
      postTo: {
        value: postTo
      }
      mailTo: {
        value: mailTo
      }
    }
  }
}

resource mayRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(data.id, blobToResult.id, blobReader)
  scope: data
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobReader)
    principalId: blobToResult.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

output blobWorkflow string = blobToResult.name
output finishedWorkflow string = runFinished.name
